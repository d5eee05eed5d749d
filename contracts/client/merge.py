"""The three-way merge of sessions: the changes that two engines made at once, in one session."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeGuard, cast

import orjson
from pydantic_core import PydanticCustomError

from ..requests import check_content
from ..session import Session
from .encoding import encode
from .errors import Rejected
from .events import SESSION_DEPTH, SessionContent

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Merged:
    """The session that holds the changes of both sides; None where it is deleted."""

    session: Json | None


@dataclass(frozen=True, slots=True)
class Collided:
    """The places that both sides changed in different ways, as JSON Pointers (RFC 6901); `/-` is an append."""

    collisions: tuple[str, ...]


class _Absent(Enum):
    """Stands at an empty place; None is JSON's null."""

    ABSENT = "absent"


_ABSENT: Final = _Absent.ABSENT
_COMPLETION: Final = "/completedAt"


def merge_sessions(
    base: SessionContent | None, mine: SessionContent | None, theirs: SessionContent | None
) -> Merged | Collided:
    """Merge two changes of one session: `mine`, and `theirs`, which is already stored; both were made of `base`.

    None stands for no session. The arguments stay as they are, and the result shares nothing with them.

    - A place that one side changed is taken from that side.
    - Maps merge key by key. A key deleted on both sides is gone; deleted on one and changed on the other collides.
    - Arrays that kept their length merge item by item, and the appended items follow: theirs, then mine.
    - A list or map that `base` lacks counts as an empty one, unless both sides made it the same.
    - What both sides set to the same value agrees; removed items are gone once. What may be two steps instead of one
      collides: a number, an appended item equal to one that the other side appended, the time of `completedAt`.
    - A map whose `id` changed, and an array whose items moved, were inserted in the middle or removed, are replaced
      as a whole.
    - Everything else that both sides changed collides.

    Keys stand in the order of `theirs`, then those that `mine` added. Raises Rejected as a write of it would.
    """
    merge = _Merge()
    session = merge.value("", _copy(base), _copy(mine), _copy(theirs))
    if merge.collisions:
        return Collided(tuple(merge.collisions))
    return Merged(None if session is _ABSENT else cast(Json, session))


def _copy(session: SessionContent | None) -> object:
    """Return the JSON of a session, as a read of it would give."""
    if session is None:
        return _ABSENT
    if isinstance(session, Session):
        session = session.model_dump(by_alias=True, exclude_unset=True)
    content: Json = orjson.loads(encode(dict(session), SESSION_DEPTH))
    try:
        check_content({"data": {"session": content}})
    except PydanticCustomError as error:
        raise Rejected(error.type, error.message()) from None
    return content


class _Merge:
    """One merge; `collisions` grows while it goes through the places."""

    def __init__(self) -> None:
        self.collisions: list[str] = []

    def value(self, path: str, base: object, mine: object, theirs: object) -> object:
        """Return the merged value of a place; where both sides changed it, `theirs` beside a collision."""
        if _is_equal(mine, base):
            return theirs
        if _is_equal(theirs, base):
            return mine
        agree = _is_equal(mine, theirs) and not _may_be_two_steps(path, base, mine)
        if base is _ABSENT and not agree:
            base = _empty_like(mine)
        if _is_map(base) and _is_map(mine) and _is_map(theirs) and _is_same_thing(base, mine, theirs):
            return self._map(path, base, mine, theirs)
        if _is_array(base) and _is_array(mine) and _is_array(theirs) and _are_aligned(base, mine, theirs):
            return self._array(path, base, mine, theirs)
        if not agree:
            self.collisions.append(path)
        return theirs

    def _map(self, path: str, base: Json, mine: Json, theirs: Json) -> Json:
        merged = {}
        for name in {**theirs, **mine}:
            place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            sides = (each.get(name, _ABSENT) for each in (base, mine, theirs))
            merged[name] = self.value(place, *sides)
        return {name: value for name, value in merged.items() if value is not _ABSENT}

    def _array(self, path: str, base: list[object], mine: list[object], theirs: list[object]) -> list[object]:
        items = [
            self.value(f"{path}/{place}", *each)
            for place, each in enumerate(zip(base, mine, theirs, strict=False))
        ]
        my_tail, their_tail = mine[len(base) :], theirs[len(base) :]
        if not set(map(_identity, my_tail)).isdisjoint(map(_identity, their_tail)):
            self.collisions.append(f"{path}/-")
        return [*items, *their_tail, *my_tail]


def _empty_like(value: object) -> object:
    return {} if _is_map(value) else [] if _is_array(value) else _ABSENT


def _are_aligned(base: list[object], *sides: list[object]) -> bool:
    """Return whether each item of the base is still at its place, changed or not, on both sides."""
    return all(_is_grown(base, side) or _is_kept(base, side) for side in sides)


def _is_grown(base: list[object], side: list[object]) -> bool:
    return len(side) > len(base) and _is_equal(side[: len(base)], base)


def _is_kept(base: list[object], side: list[object]) -> bool:
    """Return whether as many items are there, and no map or array that left its place stands at another one."""
    changed = [each for each in zip(base, side, strict=False) if not _is_equal(*each)]
    left = {_identity(item) for item, _ in changed if _is_map(item) or _is_array(item)}
    return len(side) == len(base) and left.isdisjoint(_identity(item) for _, item in changed)


def _is_same_thing(base: Json, *sides: Json) -> bool:
    """Return whether a map is still about the same thing on both sides, by its `id` where it has one."""
    return "id" not in base or all(_is_equal(base["id"], side.get("id", _ABSENT)) for side in sides)


def _may_be_two_steps(path: str, base: object, value: object) -> bool:
    """Return whether a value that both sides set may come of two increments or completions, and not of one."""
    if path == _COMPLETION and isinstance(value, str):
        return True
    return _is_number(value) or not set(_numbers_of(value)) <= set(_numbers_of(base))


def _numbers_of(value: object) -> Iterator[object]:
    if _is_map(value):
        value = list(value.values())
    if _is_array(value):
        for item in value:
            yield from _numbers_of(item)
    elif _is_number(value):
        yield value


def _is_equal(one: object, other: object) -> bool:
    return one == other and _identity(one) == _identity(other)  # which `==` alone says of true and 1 too


def _identity(value: object) -> Hashable:
    """Return a key that equal values share, and no others: `true` is not 1, and 1.0 is."""
    if _is_map(value):
        return frozenset((name, _identity(item)) for name, item in value.items())
    if _is_array(value):
        return tuple(map(_identity, value))
    return (bool, value) if isinstance(value, bool) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_map(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)
