"""The worker's replies to events (contract: Confirmed writes) and to requests (contract: Request)."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from .faults import RpcError
from .message import Message, Omissible
from .outcomes import DeadLetterCode, Outcome
from .requests import Method, RequestId
from .scalars import Revision, Timestamp
from .session import Session

# The word of an enumeration is a plain string on the wire, also for a reader that parsed the JSON elsewhere.
OutcomeWord = Annotated[Outcome, Field(strict=False)]
CodeWord = Annotated[DeadLetterCode, Field(strict=False)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


def _when(outcome: Outcome, *names: str) -> JsonDict:
    """A rule of JSON Schema: with this outcome these fields are required."""
    return {
        "if": {"properties": {"outcome": {"const": outcome.value}}},
        "then": {"required": list(names)},
    }


class Receipt(Message):
    """The counts of an erasure: the removed, and those that a count afterwards found.

    The player's writes up to `revision` stay out. `laterSessions` were written after it, and stay. The player is
    identified by the SHA-256 of the id's UTF-8, in hex, so that the receipt can be kept.
    """

    player_digest: str
    revision: Revision
    erased_at: Timestamp
    sessions: Count
    remaining_sessions: Count
    later_sessions: Count
    dead_letters: Count
    remaining_dead_letters: Count


class Confirmation(Message):
    """The outcome of one event, sent after the commit.

    `id` and `subject` repeat the event's own; each is null where a rejected event had none that could be read.
    `revision` is the stored one, null when no session is stored. A rejected event has `code` and `message`. A
    duplicate has `first`, the outcome of the event's first application. An erasure has `receipt`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _when(Outcome.REJECTED, "code", "message"),
                _when(Outcome.DUPLICATE, "first"),
                _when(Outcome.ERASED, "receipt"),
            ]
        }
    )

    id: str | None
    subject: str | None
    outcome: OutcomeWord
    revision: Revision | None
    code: Omissible[CodeWord] = None
    message: Omissible[str] = None
    first: Omissible[OutcomeWord] = None
    receipt: Omissible[Receipt] = None

    @model_validator(mode="after")
    def _say_why(self) -> Self:
        if self.outcome is Outcome.REJECTED and (self.code is None or self.message is None):
            raise PydanticCustomError("incomplete", "a rejected event has a code and a message")
        if self.outcome is Outcome.DUPLICATE and self.first is None:
            raise PydanticCustomError("incomplete", "a duplicate has the first outcome")
        if self.outcome is Outcome.ERASED and self.receipt is None:
            raise PydanticCustomError("incomplete", "an erasure has a receipt")
        return self


class Record(Message):
    """A stored session, the revision that made it so, and when its row was created and last changed."""

    session: Session
    revision: Revision
    created_at: Timestamp
    updated_at: Timestamp


class ReadResult(Message):
    """The session, or null when it does not exist."""

    record: Record | None


class ReadManyResult(Message):
    """One record for each id, in the order of the ids; null where there is no session."""

    records: list[Record | None]


class QueryResult(Message):
    """One page, and the cursor of the next; null after the last."""

    records: list[Record]
    next_cursor: str | None


class CountResult(Message):
    """How many sessions match the filter."""

    count: Count


class StatsResult(Message):
    """Totals over the sessions of one player or of all; without an average when no session is complete."""

    total_sessions: Count
    completed_sessions: Count
    active_sessions: Count
    avg_completion_time_seconds: float | None


class HealthResult(Message):
    """Whether the worker can serve.

    `database` is `ok` or the reason why it is not; `lagSeconds` is the age of the oldest delivery not yet settled;
    `time` is the worker's clock; workers of earlier releases do not send it.
    """

    ok: bool
    database: str
    lag_seconds: Seconds
    version: str
    time: Timestamp | None = None


RESULTS: Final[Mapping[str, type[Message]]] = {
    Method.READ: ReadResult,
    Method.READ_MANY: ReadManyResult,
    Method.QUERY: QueryResult,
    Method.COUNT: CountResult,
    Method.STATS: StatsResult,
    Method.HEALTH: HealthResult,
}


class Answer(Message):
    """The reply to a request that succeeded; `result` is as `RESULTS` says for its method."""

    jsonrpc: Literal["2.0"]
    id: RequestId
    result: object


class Failure(Message):
    """The reply to a request that failed; `id` is null where the request's could not be read."""

    jsonrpc: Literal["2.0"]
    id: RequestId
    error: RpcError
