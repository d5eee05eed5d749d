"""Finds numbers that would not come back equal, first in the bytes of a body and then by parsing it."""

import json
import re
from decimal import Decimal
from typing import Final

from contracts.limits import MAX_INTEGER, MIN_INTEGER

_SHAPES: Final = bytes.maketrans(b"0123456789.-+E[", b"0000000000000e{")
_LONG: Final = b"0" * 17
_LONG_WITH_EXPONENT: Final = b"0" * 16 + b"e"
_GREAT_EXPONENT: Final = b"0e000"
_BEFORE_A_NUMBER: Final = b":,{ \t\r\n"
_NUMBER: Final = re.compile(rb"-?[0-9.]+(?:[eE][-+]?[0-9]+)?")
_NEAR: Final = 64
_LONGEST: Final = 40  # characters of a number that is judged by itself
_SAFE_DIGITS: Final = 18  # an integer with so many has 64 bits


class LossyNumber:
    """Stands for a number that the parser would have changed."""


_LOSSY: Final = LossyNumber()


def shapes_of(body: bytes) -> bytes:
    """Return a body of the same length with 0 for the characters of numbers, `e` for E, and `{` for `[`."""
    return body.translate(_SHAPES)


def may_change_numbers(body: bytes, shapes: bytes) -> bool:
    """Whether the bytes of a body hold something like a number that orjson might change; False is certain.

    PostgreSQL keeps every other number as it is written.
    """
    return (
        (_LONG in shapes and _may_change(body, shapes, _LONG))
        or (_LONG_WITH_EXPONENT in shapes and _may_change(body, shapes, _LONG_WITH_EXPONENT))
        or (_GREAT_EXPONENT in shapes and _may_change(body, shapes, _GREAT_EXPONENT))
    )


def _may_change(body: bytes, shapes: bytes, shape: bytes) -> bool:
    """Whether a number of this shape might change; most matches are parts of a UUID or of a text."""
    at = shapes.find(shape)
    while at >= 0:
        digits = shapes[max(0, at - _NEAR) : at]
        before = digits.rstrip(b"0")
        if not before:  # too many digits to find where they begin: parse the body
            return True
        if before[-1:] in _BEFORE_A_NUMBER:
            number = _NUMBER.match(body, at - len(digits) + len(before))
            if number and not _is_kept(number[0].decode()):
                return True
        at = shapes.find(shape, at + 1)
    return False


def changes_numbers(body: bytes, *, whole: bool) -> bool:
    """Whether orjson changes a number of the body; unless `whole`, only numbers under `data` count."""
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
        if len(text) < 20 or (len(text) == 20 and MIN_INTEGER <= int(text) <= MAX_INTEGER):
            return 0
        return check_float(text)

    exact = json.loads(body, parse_float=check_float, parse_int=check_int)
    return changed and _holds_changed(exact if whole else exact.get("data"))


def _is_kept(text: str) -> bool:
    if len(text) > _LONGEST:
        return False
    if len(text) <= _SAFE_DIGITS and text.isdigit():
        return True
    try:
        return _is_equal(text, float(text))
    except ValueError:  # something like 1.2.3 in a text
        return True


def _is_equal(text: str, kept: float) -> bool:
    if repr(kept) == text:
        return True
    try:
        return Decimal(repr(kept)) == Decimal(text)
    except ArithmeticError:  # an exponent that a Decimal cannot have
        return False


def _holds_changed(content: object) -> bool:
    pending = [content]
    while pending:
        item = pending.pop()
        if item is _LOSSY:
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        if isinstance(item, list):
            pending.extend(item)
    return False
