"""Parses a body as JSON, and refuses content that a read would not return equal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from contracts.limits import MAX_DEPTH
from contracts.outcomes import DeadLetterCode
from worker.ingest.numbers import changes_numbers, may_change_numbers, shapes_of

GZIP_MAGIC: Final = b"\x1f\x8b"


class InvalidEvent(Exception):
    """The event is invalid; `code` and `message` go to its sender and with it to the dead-letter queue.

    `document` is the JSON object in the body: empty where the body was refused before it was parsed.
    """

    def __init__(
        self, code: DeadLetterCode, message: str, document: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.document = document or {}


@dataclass(slots=True, eq=False)
class ParsedBody:
    """The bytes of a body and the JSON object in them."""

    raw: bytes
    document: dict[str, object]

    def invalid(self, code: DeadLetterCode, message: str) -> InvalidEvent:
        """Return the error that refuses this body."""
        return InvalidEvent(code, message, self.document)


def parse(body: bytes) -> ParsedBody:
    """Return a body that holds a JSON object, parsed.

    Raises InvalidEvent: `bad_json`, `not_object`, `too_deep` (nesting over what the parser takes), `bad_number` (too
    large for a double), `bad_schema` for a compressed body.
    """
    if body.startswith(GZIP_MAGIC):
        raise InvalidEvent(DeadLetterCode.BAD_SCHEMA, "the body is compressed; send plain JSON")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _explain(error) from None
    if type(document) is not dict:
        raise InvalidEvent(DeadLetterCode.NOT_OBJECT, "the body is JSON, but not an object")
    return ParsedBody(body, document)


def check_content(parsed: ParsedBody, content: object, max_depth: int = MAX_DEPTH) -> None:
    """Refuse a document nested deeper than `max_depth`, and content with a NUL or a number that would change.

    `content` is the whole document, or its value under `data`, or None for an event that is refused anyway: then
    no NUL is looked for, and numbers are checked under `data`.
    The bytes are searched first: hardly any event needs the slow walk.
    Raises InvalidEvent: `too_deep`, `nul_character`, `bad_number`.
    """
    raw, document = parsed.raw, parsed.document
    shapes = shapes_of(raw)
    if shapes.count(b"{") > max_depth and _is_deeper(document, max_depth):
        raise parsed.invalid(DeadLetterCode.TOO_DEEP, f"nested deeper than {max_depth}")
    if b"\\u0000" in raw and any("\0" in text for text in _texts(content)):
        raise parsed.invalid(
            DeadLetterCode.NUL_CHARACTER, "holds the character U+0000, which PostgreSQL cannot keep"
        )
    if may_change_numbers(raw, shapes) and changes_numbers(raw, whole=content is document):
        raise parsed.invalid(DeadLetterCode.BAD_NUMBER, "holds a number that would not come back equal")


def _explain(error: orjson.JSONDecodeError) -> InvalidEvent:
    reason = str(error)
    if reason.startswith("depth limit"):
        return InvalidEvent(DeadLetterCode.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
    if reason.startswith("number is infinity"):
        return InvalidEvent(
            DeadLetterCode.BAD_NUMBER, f"holds a number that would not come back equal: {reason}"
        )
    return InvalidEvent(DeadLetterCode.BAD_JSON, f"the body is not JSON: {reason}")


def _children(value: object) -> list[object]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _is_deeper(document: object, limit: int) -> bool:
    level: list[object] = [document]
    for _ in range(limit):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _texts(value: object) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        if isinstance(item, dict):
            yield from item
        pending.extend(_children(item))
