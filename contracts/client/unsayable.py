"""Why a value cannot be said in JSON, for the person who has to mend it."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Final

from contracts.outcomes import DeadLetterCode
from contracts.scalars import MAX_DEPTH

LEAST: Final = -(2**63)
GREATEST: Final = 2**64 - 1

Fault = tuple[DeadLetterCode, str]


def explain(value: object, depth: int) -> Fault | None:
    """Return the code and the sentence for a value at this depth of a message; None where nothing is found.

    What refers to itself is nested without end. Depth comes before breadth, so that such a value is found out soon.
    """
    pending: list[tuple[str, object, int]] = [("", value, depth)]
    while pending:
        name, item, level = pending.pop()
        if level > MAX_DEPTH and is_container(item):
            return DeadLetterCode.TOO_DEEP, f"must not be nested deeper than {MAX_DEPTH}"
        if fault := _fault_of(name, item):
            return fault
        pending.extend((inner, child, level + 1) for inner, child in _children(item))
    return None


def holds_infinity(value: object) -> bool:
    """Return whether a NaN or an infinity is in a value, of which orjson makes null."""
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


def is_container(value: object) -> bool:
    """Return whether JSON makes an object or an array of it."""
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
            said = "NaN" if math.isnan(item) else "Infinity" if item > 0 else "-Infinity"
            return DeadLetterCode.BAD_NUMBER, f"{name} is {said}, which JSON has no number for"
        case int() if not LEAST <= item <= GREATEST:
            return DeadLetterCode.BAD_NUMBER, "holds a number that would not come back equal"
        case str() if any("\ud800" <= character <= "\udfff" for character in item):
            return (
                DeadLetterCode.BAD_JSON,
                "cannot be written as JSON: a text holds half of a surrogate pair",
            )
        case _:
            return None
