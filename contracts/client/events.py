"""Events as the client publishes them, and their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

import orjson
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from ..events import EVENT, code_of, describe
from ..limits import BODY_LIMIT
from ..outcomes import DeadLetterCode, Outcome
from ..refusals import echo
from ..requests import check_content
from ..scalars import format_timestamp
from ..session import Session
from ..topology import EVENT_CONTENT_TYPE
from .encoding import encode
from .errors import Rejected

SESSION_DEPTH: Final = 3  # in the event's data, in the event

SessionContent = Mapping[str, object] | Session
Durability = Literal["stored", "queued"]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to publish; `call` names it in errors.

    A persistent message survives a restart of the broker. Another one is worth nothing after its deadline.
    A message that repeats is published again when no reply comes for a while, and not only after a loss.
    """

    body: bytes
    routing_key: str
    content_type: str
    persistent: bool
    repeats: bool
    call: str


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event of a session or a player; only a write has a `session`. The same `event_id` is the same event."""

    type: str
    subject: str
    revision: int
    expected_revision: int | None
    event_id: UUID
    session: SessionContent | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventOptions:
    """The source of a client's events, when its writes return, and the most bytes that an event may have."""

    source: str
    durability: Durability = "stored"
    body_limit: int = BODY_LIMIT


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of an event; `outcome` is None where only the broker has confirmed it (`queued`).

    `revision` is the event's own. A repeated event has the outcome of its first application. `superseded` is no
    error: a newer state of the session is stored, as it would be if this write had come first. `repeated`: this
    event was applied before, by an earlier call, or by this one if its first reply was lost.
    """

    event_id: UUID
    revision: int
    outcome: Outcome | None
    repeated: bool = False

    @property
    def existed(self) -> bool:
        """Whether a delete found the session."""
        return self.outcome is Outcome.DELETED


def event_message(event: OutgoingEvent, options: EventOptions) -> OutgoingMessage:
    """Return the message that carries an event as a CloudEvent.

    Raises Rejected where JSON cannot hold an equal value, and where the body exceeds the limit.
    """
    data: dict[str, object] = {"revision": event.revision, "expectedRevision": event.expected_revision}
    if event.session is not None:
        data["session"] = _session_json(event.session)
    if event.updated_at is not None:
        data["updatedAt"] = format_timestamp(event.updated_at)
    document = {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": options.source,
        "type": event.type,
        "subject": event.subject,
        "time": format_timestamp(datetime.now(UTC)),
        "data": data,
    }
    body = encode(document)
    if len(body) > options.body_limit:
        allowed = f"the body has {len(body)} bytes; {options.body_limit} are allowed"
        raise Rejected(DeadLetterCode.TOO_LARGE, allowed)
    call = f"{event.type} of {event.subject}"
    return OutgoingMessage(body, event.type, EVENT_CONTENT_TYPE, persistent=True, repeats=True, call=call)


def session_id_of(session: object) -> str:
    """Return the id of a session; raises Rejected where the session is no object."""
    if isinstance(session, Session):
        return session.session_id
    if not isinstance(session, Mapping):
        raise Rejected(DeadLetterCode.BAD_SCHEMA, f"data.session must be an object (got {echo(session)})")
    return str(session.get("sessionId"))


def check_event(message: OutgoingMessage) -> None:
    """Raise Rejected for an event that the worker would reject, as far as the client can know.

    For queued writes: no caller would learn of the rejection, and a read would wait for the write.
    """
    document = orjson.loads(message.body)
    try:
        EVENT.validate_python(document)
        check_content(document)
    except ValidationError as error:
        raise Rejected(code_of(error), describe(error)) from None
    except PydanticCustomError as error:
        raise Rejected(error.type, error.message()) from None


def _session_json(session: SessionContent) -> orjson.Fragment:
    if isinstance(session, Session):
        return orjson.Fragment(encode(session.model_dump(by_alias=True, exclude_unset=True), SESSION_DEPTH))
    return orjson.Fragment(encode(dict(session), SESSION_DEPTH))
