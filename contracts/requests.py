"""The requests of engines: JSON-RPC 2.0 with parameters by name (contract: Request).

An unknown parameter, filter or option is an error, and so is a filter that is null: without it the answer would
have sessions that the caller did not ask for. An option that is null counts as absent.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, FailFast, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from .limits import DEFAULT_LIMIT, MAX_CURSOR_CHARACTERS, MAX_DEPTH, MAX_IDS, MAX_LIMIT, MAX_OFFSET
from .message import Message, Omissible
from .scalars import Identifier, Revision, Timestamp, WireType, one_of

_ONE_START: Final[JsonDict] = {
    "not": {
        "properties": {"offset": {"type": "integer"}, "cursor": {"type": "string"}},
        "required": ["offset", "cursor"],
    }
}


class Method(StrEnum):
    """The methods."""

    READ = "session.read"
    READ_MANY = "session.readMany"
    QUERY = "session.query"
    COUNT = "session.count"
    STATS = "session.stats"
    HEALTH = "health.check"


def check_content(value: object) -> object:
    """Return a JSON value that PostgreSQL can store: at most 64 levels deep, without the character U+0000."""
    level, depth = [value], 0
    while level:
        if any(isinstance(item, str) and "\0" in item for item in level):
            raise PydanticCustomError("nul_character", "must not contain the character U+0000")
        nested = [item for item in level if isinstance(item, dict | list)]
        depth += bool(nested)
        if depth > MAX_DEPTH:
            raise PydanticCustomError("too_deep", f"must not be nested deeper than {MAX_DEPTH}")
        level = [child for item in nested for child in _children(item)]
    return value


def _children(container: dict[object, object] | list[object]) -> list[object]:
    return [*container, *container.values()] if isinstance(container, dict) else container


Contained = Annotated[object, AfterValidator(check_content)]
Difficulty = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\u0000]+$")]
RequestId = Annotated[str | int | float | None, one_of(("string", "number", "null"))]
Structure = Annotated[
    dict[str, object] | list[object],
    WireType(
        one_of(("object", "array")).core, {"type": "object"}
    ),  # JSON-RPC's arrays are no method's parameters
]
SortKey = Literal["createdAt", "startedAt", "updatedAt", "completedAt"]
SortOrder = Literal["asc", "desc"]


class Request(Message):
    """A JSON-RPC 2.0 request; without an `id` it gets no reply."""

    jsonrpc: Literal["2.0"]
    method: str
    params: Structure = Field(default_factory=dict)
    id: RequestId = None

    @property
    def is_notification(self) -> bool:
        """Whether no reply is expected; a request with a null `id` gets one."""
        return "id" not in self.model_fields_set


class Params(Message):
    """Parameters by name; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", validate_by_alias=True, validate_by_name=True)


class Filter(Params):
    """Which sessions match: all given conditions must hold, and every bound includes its own moment.

    In Python `model_fields_set` tells whether a containment filter is null or absent.
    """

    player_id: Omissible[Identifier] = None
    completed: Omissible[bool] = None
    difficulty: Omissible[Difficulty] = None
    started_after: Omissible[Timestamp] = None
    started_before: Omissible[Timestamp] = None
    completed_after: Omissible[Timestamp] = None
    completed_before: Omissible[Timestamp] = None
    updated_after: Omissible[Timestamp] = None
    updated_before: Omissible[Timestamp] = None
    encounter_contains: Contained = Field(None, description="Any JSON value that the encounter contains.")
    state_contains: Contained = Field(None, description="Any JSON value that the state contains.")


class QueryOptions(Params):
    """The order of the matches and which part of them; a page starts at an offset or after a cursor, never both."""

    model_config = ConfigDict(json_schema_extra=_ONE_START)

    sort_by: SortKey = "createdAt"
    sort_order: SortOrder = "desc"
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None = None
    cursor: Annotated[str, Field(min_length=1, max_length=MAX_CURSOR_CHARACTERS)] | None = None

    @model_validator(mode="after")
    def _start_once(self) -> Self:
        if self.offset is not None and self.cursor is not None:
            raise PydanticCustomError("exclusive", "must not have both an offset and a cursor")
        return self


class ReadParams(Params):
    """Which session, and the revision that must be visible before the reply."""

    session_id: Identifier
    min_revision: Revision | None = None


class ReadManyParams(Params):
    """Which sessions, in the order wanted; an id may occur twice."""

    session_ids: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDS), FailFast()]


class QueryParams(Params):
    """Which sessions, in which order, and which part of them."""

    filter: Filter = Field(default_factory=Filter)
    options: QueryOptions = Field(default_factory=QueryOptions)


class CountParams(Params):
    """Which sessions to count."""

    filter: Filter = Field(default_factory=Filter)


class StatsParams(Params):
    """The player; without one the totals are of all players."""

    player_id: Omissible[Identifier] = None


class HealthParams(Params):
    """No parameters."""


PARAMS: Final[Mapping[str, type[Params]]] = {
    Method.READ: ReadParams,
    Method.READ_MANY: ReadManyParams,
    Method.QUERY: QueryParams,
    Method.COUNT: CountParams,
    Method.STATS: StatsParams,
    Method.HEALTH: HealthParams,
}


def parse_params(method: str, params: object) -> Params:
    """Return the parameters of a method of `PARAMS` as they came on the wire.

    Only wire names count here (`playerId`), while Python code may also build the models by field name. Raises
    ValidationError for anything that the method does not take, positional parameters included.
    """
    return PARAMS[method].model_validate(params, by_alias=True, by_name=False)
