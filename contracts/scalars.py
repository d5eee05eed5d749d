"""The scalar types of every message; each refuses a value with the dead-letter code of the contract.

An error raised by one of these has the code as its type (`bad_id`, `bad_time`, `bad_revision`), except where
the value is not even a string: that is an ordinary type error (`bad_schema`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from .limits import MAX_IDENTIFIER_CHARACTERS, MAX_REVISION
from .outcomes import DeadLetterCode

NO_YEAR_0: Final = "names no moment: there is no year 0"
NO_SUCH_DAY: Final = "names no moment: the month has no such day"

_IDENTIFIER: Final = r"^[^\u0000-\u001f\u007f-\u009f]+$"
_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_DATE: Final = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0*)?"
_OFFSET: Final = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_TIMESTAMP: Final = f"^{_DATE}[Tt]{_TIME}{_OFFSET}$"

_match_timestamp: Final = re.compile(f"{_DATE}[Tt]{_TIME}{_OFFSET}", re.ASCII).fullmatch
_match_naive: Final = re.compile(f"{_DATE}[Tt ]{_TIME}", re.ASCII).fullmatch
_match_too_fine: Final = re.compile(rf"{_DATE}[Tt][0-9:]{{8}}\.[0-9]{{7,}}{_OFFSET}", re.ASCII).fullmatch
_match_leap_second: Final = re.compile(rf"{_DATE}[Tt][0-9:]{{6}}60(?:\.[0-9]+)?{_OFFSET}", re.ASCII).fullmatch
_parse: Final = datetime.fromisoformat


@dataclass(frozen=True, slots=True, eq=False)
class WireType:
    """An annotation that validates by a core schema and describes itself by the JSON Schema beside it."""

    core: CoreSchema
    document: JsonSchemaValue

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.core

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.document)


def parse_timestamp(value: object) -> datetime:
    """Return the moment in UTC that an RFC 3339 text names, to the microsecond and never rounded.

    An aware datetime is taken as it is, for programs that build messages in Python. Raises `bad_time` for a text
    that names no such moment, and a type error for a value that is no text.
    """
    try:
        if type(value) is str and _match_timestamp(value):
            moment = _parse(value)
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return _parse_unusual(value)


def _parse_unusual(value: object) -> datetime:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise _bad_time("must have an offset from UTC")
        value = value.isoformat()
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not _match_timestamp(value):
        raise _bad_time(_explain(value))
    try:
        moment = _parse(value.upper())
    except ValueError:  # Python's own words differ from release to release
        raise _bad_time(NO_YEAR_0 if value.startswith("0000") else NO_SUCH_DAY) from None
    try:
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad_time("is outside the years 1 to 9999 in UTC") from None


def _explain(value: str) -> str:
    if _match_naive(value):
        return "must have an offset from UTC, such as Z or +01:00"
    if _match_leap_second(value):
        return "must not be in a leap second"
    if _match_too_fine(value):
        return "must not be finer than a microsecond"
    return "must be an RFC 3339 date and time with an offset"


def _bad_time(rule: str) -> PydanticCustomError:
    return PydanticCustomError(DeadLetterCode.BAD_TIME.value, "{rule}", {"rule": rule})


def format_timestamp(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 in UTC with `Z`: milliseconds, or microseconds if it has any."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=precision)[:-6] + "Z"


def _text(code: DeadLetterCode, rule: str, pattern: str, maximum: int) -> CoreSchema:
    """A string that breaks the rule is refused with the code; any other value with a type error."""
    ruled = core_schema.str_schema(pattern=pattern, min_length=1, max_length=maximum)
    coded = core_schema.custom_error_schema(ruled, code.value, custom_error_message=rule)
    return core_schema.chain_schema([core_schema.str_schema(strict=True), coded])


def _integer(minimum: int) -> WireType:
    """Any value but an integer within the bounds is refused as a revision."""
    ruled = core_schema.int_schema(strict=True, ge=minimum, le=MAX_REVISION)
    rule = f"must be an integer from {minimum} to 2^53-1"
    core = core_schema.custom_error_schema(
        ruled, DeadLetterCode.BAD_REVISION.value, custom_error_message=rule
    )
    return WireType(core, {"type": "integer", "minimum": minimum, "maximum": MAX_REVISION})


def _identifier() -> WireType:
    rule = "must be 1 to 255 characters without control characters"
    document = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_IDENTIFIER_CHARACTERS,
        "pattern": _IDENTIFIER,
    }
    return WireType(_text(DeadLetterCode.BAD_ID, rule, _IDENTIFIER, MAX_IDENTIFIER_CHARACTERS), document)


def _uuid() -> WireType:
    text = _text(DeadLetterCode.BAD_ID, "must be a UUID of 36 characters", _UUID, 36)
    core = core_schema.chain_schema([text, core_schema.uuid_schema(strict=False)])
    return WireType(core, {"type": "string", "format": "uuid", "pattern": _UUID})


def _timestamp() -> WireType:
    write: Callable[[datetime], str] = format_timestamp
    serialization = core_schema.plain_serializer_function_ser_schema(write, when_used="json")
    core = core_schema.no_info_plain_validator_function(parse_timestamp, serialization=serialization)
    return WireType(core, {"type": "string", "format": "date-time", "pattern": _TIMESTAMP})


def _object() -> WireType:
    """In Python the dict is kept as it came: a session's content is never copied."""
    core = core_schema.json_or_python_schema(
        json_schema=core_schema.dict_schema(keys_schema=core_schema.str_schema()),
        python_schema=core_schema.is_instance_schema(dict, cls_repr="object"),
    )
    return WireType(core, {"type": "object"})


_KINDS: Final[Mapping[str, CoreSchema]] = {
    "array": core_schema.list_schema(strict=True),
    "null": core_schema.none_schema(),
    "number": core_schema.union_schema(
        [core_schema.int_schema(strict=True), core_schema.float_schema(strict=True)]
    ),
    "object": _object().core,
    "string": core_schema.str_schema(strict=True),
}


def one_of(kinds: Sequence[str]) -> WireType:
    """A JSON value of one of these kinds, refused in one sentence and not in one for each kind."""
    rule = f"must be of type {' or '.join(kinds)}"
    choices: list[CoreSchema | tuple[CoreSchema, str]] = [_KINDS[kind] for kind in kinds]
    core = core_schema.union_schema(choices, custom_error_type="kind_type", custom_error_message=rule)
    return WireType(core, {"type": list(kinds)})


Identifier = Annotated[str, _identifier()]
EventId = Annotated[UUID, _uuid()]
Timestamp = Annotated[datetime, _timestamp()]
Revision = Annotated[int, _integer(minimum=1)]
ExpectedRevision = Annotated[int, _integer(minimum=0)]
JsonObject = Annotated[dict[str, object], _object()]
