"""Parses a body as JSON, and refuses content that a read would not return equal."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import orjson

from contracts.limits import MAX_DEPTH
from contracts.outcomes import DeadLetterCode

GZIP_MAGIC: Final = b"\x1f\x8b"
INT64_LOW, UINT64_HIGH = -(2**63), 2**64 - 1
_SHAPES: Final = bytes.maketrans(b"0123456789.E[", b"00000000000e{")
_LONG: Final = b"0" * 17
_LONG_WITH_EXPONENT: Final = b"0" * 16 + b"e"
_TINY: Final = b"0e-000"
_SUSPECT: Final = (_LONG, _LONG_WITH_EXPONENT, _TINY)
_BEFORE_A_NUMBER: Final = b":,{ \t\r\n"
_NUMBER: Final = re.compile(rb"-?[0-9.]+(?:[eE][-+]?[0-9]+)?")
_NEAR: Final = 64


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


class LossyNumber:
    """Stands for a number that the parser would have changed."""


_LOSSY: Final = LossyNumber()


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
    shapes = raw.translate(_SHAPES)
    if shapes.count(b"{") > max_depth and _is_deeper(document, max_depth):
        raise parsed.invalid(DeadLetterCode.TOO_DEEP, f"nested deeper than {max_depth}")
    if b"\\u0000" in raw and any("\0" in text for text in _texts(content)):
        raise parsed.invalid(
            DeadLetterCode.NUL_CHARACTER, "holds the character U+0000, which PostgreSQL cannot keep"
        )
    suspect = _LONG in shapes or _LONG_WITH_EXPONENT in shapes or _TINY in shapes
    if (
        suspect
        and any(_may_lose_precision(raw, shapes, shape) for shape in _SUSPECT)
        and _changes_numbers(raw, whole=content is document)
    ):
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


def _may_lose_precision(body: bytes, shapes: bytes, shape: bytes) -> bool:
    """Whether a number of this shape would not come back equal; most matches are parts of a UUID or of a text."""
    at = shapes.find(shape)
    while at >= 0:
        digits = shapes[max(0, at - _NEAR) : at]
        before = digits.rstrip(b"0").removesuffix(b"-")
        if not before:  # too many digits to find where they begin: parse the body
            return True
        if before[-1:] in _BEFORE_A_NUMBER:
            number = _NUMBER.match(body, at - len(digits) + len(before))
            if number and not _is_kept(number[0].decode()):
                return True
        at = shapes.find(shape, at + 1)
    return False


def _changes_numbers(body: bytes, *, whole: bool) -> bool:
    """Whether orjson changed a number of the content; numbers elsewhere are not stored."""
    changed = False

    def check_float(text: str) -> float | LossyNumber:
        nonlocal changed
        kept = float(text)
        if _is_equal(text, kept):
            return kept
        changed = True
        return _LOSSY

    def check_int(text: str) -> int | float | LossyNumber:
        """An integer of 64 bits stays one; a longer one becomes a double."""
        if len(text) < 20 or (len(text) == 20 and INT64_LOW <= int(text) <= UINT64_HIGH):
            return 0
        return check_float(text)

    exact = json.loads(body, parse_float=check_float, parse_int=check_int)
    return changed and _holds_changed(exact if whole else exact.get("data"))


def _is_kept(text: str) -> bool:
    try:
        return _is_equal(text, float(text))
    except ValueError:  # something like 1.2.3 in a text
        return True


def _is_equal(text: str, kept: float) -> bool:
    try:
        return Decimal(repr(kept)) == Decimal(text)
    except ArithmeticError:  # an exponent beyond what a Decimal can have
        return False


def _holds_changed(content: object) -> bool:
    pending = [content]
    while pending:
        item = pending.pop()
        if item is _LOSSY:
            return True
        pending.extend(_children(item))
    return False
