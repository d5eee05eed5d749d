"""Encodes values as JSON that is equal to them, or gives the reason why no JSON is equal."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum

import orjson

from ..limits import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER
from ..outcomes import DeadLetterCode
from .errors import Rejected

Fault = tuple[DeadLetterCode, str]


def encode(value: object, depth: int = 1) -> bytes:
    """Return the value, which lies at this depth of a message, as JSON that is equal to it; raises Rejected."""
    try:
        body = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        fault = find_fault(value, depth) or (DeadLetterCode.BAD_JSON, f"cannot be written as JSON: {error}")
        raise Rejected(*fault) from None
    if b"null" in body and _holds_non_finite(value) and (found := find_fault(value, depth)):
        raise Rejected(*found)
    return body


def find_fault(value: object, depth: int) -> Fault | None:
    """Return the code and the sentence that say why JSON cannot hold a value; None where nothing is found.

    A value that contains itself is nested without end. The search goes depth first, so that it finds such a value
    soon.
    """
    pending: list[tuple[str, object, int]] = [("", value, depth)]
    while pending:
        name, item, level = pending.pop()
        if level > MAX_DEPTH and _is_container(item):
            return DeadLetterCode.TOO_DEEP, f"must not be nested deeper than {MAX_DEPTH}"
        if fault := _fault_of(name, item):
            return fault
        pending.extend((inner, child, level + 1) for inner, child in _children(item))
    return None


def _holds_non_finite(value: object) -> bool:
    """Return whether a NaN or an infinity is in a value: orjson writes null for both."""
    pending = [value]
    while pending:
        match pending.pop():
            case float() as number if not math.isfinite(number):
                return True
            case dict() as items:
                pending.extend(items.values())
            case list() | tuple() as items:
                pending.extend(items)
            case Enum() as item:
                pending.append(item.value)
            case item if is_dataclass(item):
                pending.extend(child for _, child in _children(item))
    return False


def _is_container(value: object) -> bool:
    """Return whether JSON makes an object or an array of a value."""
    return isinstance(value, dict | list | tuple) or is_dataclass(value)


def _children(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            for key, item in value.items():
                yield "a key", key
                yield str(key), item
        case list() | tuple():
            yield from ((f"item {place} of an array", item) for place, item in enumerate(value))
        case Enum():
            yield value.name, value.value
        case _ if is_dataclass(value):
            yield from ((each.name, getattr(value, each.name)) for each in fields(value))


def _fault_of(name: str, item: object) -> Fault | None:
    match item:
        case float() if not math.isfinite(item):
            word = "NaN" if math.isnan(item) else "Infinity" if item > 0 else "-Infinity"
            return DeadLetterCode.BAD_NUMBER, f"{name} is {word}, which JSON has no number for"
        case int() if not MIN_INTEGER <= item <= MAX_INTEGER:
            return DeadLetterCode.BAD_NUMBER, "holds a number that would not come back equal"
        case str() if any("\ud800" <= character <= "\udfff" for character in item):
            return (
                DeadLetterCode.BAD_JSON,
                "cannot be written as JSON: a text holds half of a surrogate pair",
            )
        case _:
            return None
