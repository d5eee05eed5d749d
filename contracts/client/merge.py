"""The three-way merge of sessions: the changes that two engines made at once, in one session."""

from collections.abc import Hashable, Iterable, Iterator
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
    - Equal values that both sides set agree; items that both removed are removed once. A change that may be two
      steps instead of one collides: a number, an appended item equal to one that the other side appended, the time
      of `completedAt`.
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
    """One merge; `collisions` grows while it goes through the places. Linear in the size of the three values."""

    def __init__(self) -> None:
        self.collisions: list[str] = []
        self._mine, self._theirs, self._sides = _Comparison(), _Comparison(), _Comparison()
        self._identities = _Identities()

    def value(self, path: str, base: object, mine: object, theirs: object) -> object:
        """Return the merged value of a place; where both sides changed it, `theirs` beside a collision."""
        if self._mine.is_equal(mine, base):
            return theirs
        if self._theirs.is_equal(theirs, base):
            return mine
        is_same = self._sides.is_equal(mine, theirs)
        is_added_once = is_same and not self._identities.holds_number(mine)
        before = _empty_like(mine) if base is _ABSENT and not is_added_once else base
        if _is_map(before) and _is_map(mine) and _is_map(theirs) and _is_same_thing(before, mine, theirs):
            return self._map(path, before, mine, theirs)
        if _is_array(before) and _is_array(mine) and _is_array(theirs):
            sides = ((self._mine, mine), (self._theirs, theirs))
            if all(self._is_aligned(comparison, before, side) for comparison, side in sides):
                return self._array(path, before, mine, theirs)
        if not is_same or _may_be_two_steps(path, base, mine):
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
        identity = self._identities.of
        if not set(map(identity, my_tail)).isdisjoint(map(identity, their_tail)):
            self.collisions.append(f"{path}/-")
        return [*items, *their_tail, *my_tail]

    def _is_aligned(self, comparison: "_Comparison", base: list[object], side: list[object]) -> bool:
        """Return whether each item of the base is still at its place, changed or not."""
        changed = [each for each in zip(side, base, strict=False) if not comparison.is_equal(*each)]
        if len(side) > len(base):
            return not changed
        return len(side) == len(base) and not self._is_moved(changed)

    def _is_moved(self, changed: list[tuple[object, object]]) -> bool:
        """Return whether a map or array that left its place stands at another one."""
        identity = self._identities.of
        left = {identity(item) for _, item in changed if _is_map(item) or _is_array(item)}
        return bool(left) and not left.isdisjoint(identity(item) for item, _ in changed)


class _Comparison:
    """Compares the values at each place of two sides, each once: `true` is not 1, and 1.0 is."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def is_equal(self, one: object, other: object) -> bool:
        """Return whether two values at one place are equal."""
        if not (_is_map(one) or _is_array(one)):
            return one == other and isinstance(one, bool) == isinstance(other, bool)
        known = self._known.get(id(one))
        if known is None:
            known = self._known[id(one)] = self._are_equal(one, other)
        return known

    def _are_equal(self, one: Json | list[object], other: object) -> bool:
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(
                self.is_equal(item, other[name]) for name, item in one.items()
            )
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(self.is_equal, one, other))
        return False


class _Identities:
    """Gives equal values an equal identity, and others another one. Each container is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, object] = {}
        self._of_content: dict[Hashable, object] = {}
        self._holds_number: dict[int, bool] = {}

    def of(self, value: object) -> Hashable:
        """Return the identity of a value."""
        if not (_is_map(value) or _is_array(value)):
            return (bool, value) if isinstance(value, bool) else value
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = self._of_content.setdefault(self._content_of(value), object())
        return known

    def holds_number(self, value: object) -> bool:
        """Return whether a value is a number, or holds one at any depth."""
        if not (_is_map(value) or _is_array(value)):
            return _is_number(value)
        known = self._holds_number.get(id(value))
        if known is None:
            known = self._holds_number[id(value)] = any(map(self.holds_number, _items_of(value)))
        return known

    def _content_of(self, value: Json | list[object]) -> Hashable:
        if isinstance(value, dict):
            return frozenset((name, self.of(item)) for name, item in value.items())
        return tuple(map(self.of, value))


def _items_of(value: Json | list[object]) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


def _empty_like(value: object) -> object:
    return {} if _is_map(value) else [] if _is_array(value) else _ABSENT


def _is_same_thing(base: Json, *sides: Json) -> bool:
    """Return whether a map is still about the same thing on both sides, by its `id` where it has one."""
    return "id" not in base or all(
        _Comparison().is_equal(base["id"], side.get("id", _ABSENT)) for side in sides
    )


def _may_be_two_steps(path: str, base: object, value: object) -> bool:
    """Return whether a value that both sides set may come of two increments or completions, and not of one."""
    if path == _COMPLETION and isinstance(value, str):
        return True
    return _is_number(value) or not set(_numbers_of(value)) <= set(_numbers_of(base))


def _numbers_of(value: object) -> Iterator[object]:
    pending = [value]
    while pending:
        item = pending.pop()
        if _is_map(item) or _is_array(item):
            pending.extend(_items_of(item))
        elif _is_number(item):
            yield item


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_map(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)
