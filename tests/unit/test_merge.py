"""The merge of sessions: the vectors for both languages, and properties of the merge for every session."""

import copy
import json
from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from contracts.client.errors import Rejected
from contracts.client.merge import Collided, Merged, merge_sessions
from contracts.session import Session
from tests.support.events.session_edits import Json, edited, edits_of, sessions
from tests.support.examples import times

VECTORS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "contracts" / "merge-vectors.json").read_text(encoding="utf-8")
)
ABSENT: Final = object()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_vector_merges_as_the_table_says(vector: dict[str, Any]) -> None:
    match merge_sessions(vector["base"], vector["mine"], vector["theirs"]):
        case Merged(session):
            assert json.dumps(session) == json.dumps(vector["merged"])  # the keys in the same order too
        case Collided(collisions):
            assert list(collisions) == vector["collisions"]


@times(3)
@given(sessions, sessions)
def test_a_change_of_one_side_alone_is_the_result(base: Json, side: Json) -> None:
    assert merge_sessions(base, side, base) == Merged(side)
    assert merge_sessions(base, base, side) == Merged(side)
    assert merge_sessions(base, None, base) == merge_sessions(base, base, None) == Merged(None)
    assert merge_sessions(None, side, None) == merge_sessions(None, None, side) == Merged(side)


@times(3)
@given(st.data())
def test_two_changes_that_commute_merge_to_one_after_the_other(data: DataObject) -> None:
    base = data.draw(sessions)
    one = data.draw(edits_of(base))
    other = data.draw(st.just(one) | edits_of(base))
    mine, theirs = one.apply(base), other.apply(base)
    merged = merge_sessions(base, mine, theirs)
    try:
        ends = one.apply(theirs), other.apply(mine)
    except (LookupError, TypeError):
        return
    if identity(ends[0]) != identity(ends[1]) or "remove" in (
        one.kind,
        other.kind,
    ):  # not the change of one place
        return
    match merged:
        case Merged(session):
            assert identity(session) == identity(ends[0])
        case Collided(collisions):
            assert [pointer for pointer in collisions if not may_be_two_steps(pointer, mine)] == []


@times(3)
@given(st.data())
def test_changes_of_places_apart_never_collide(data: DataObject) -> None:
    base = data.draw(sessions)
    one, other = data.draw(edits_of(base)), data.draw(edits_of(base))
    if not one.overlaps(other):
        assert isinstance(merge_sessions(base, one.apply(base), other.apply(base)), Merged)


@times(3)
@given(st.data())
def test_no_change_of_either_side_is_dropped(data: DataObject) -> None:
    base = data.draw(sessions)
    mine, theirs = (data.draw(edited(base)) for _ in range(2))
    match merge_sessions(base, mine, theirs):
        case Merged(session):
            assert dropped("", base, mine, session) == []
            assert dropped("", base, theirs, session) == []
        case Collided(collisions):
            for pointer in collisions:
                assert is_changed(pointer, base, mine), pointer
                assert is_changed(pointer, base, theirs), pointer


@times(3)
@given(st.data())
def test_the_sides_may_be_swapped(data: DataObject) -> None:
    base = data.draw(sessions)
    mine, theirs = (data.draw(edited(base)) for _ in range(2))
    match merge_sessions(base, mine, theirs), merge_sessions(base, theirs, mine):
        case Merged(one), Merged(other):
            assert identity(one) == identity(other)
        case Collided(one_places), Collided(other_places):
            assert sorted(one_places) == sorted(other_places)
        case differing:
            raise AssertionError(differing)


@times(3)
@given(st.data())
def test_the_arguments_stay_as_they_are_and_share_nothing_with_the_result(data: DataObject) -> None:
    base = data.draw(sessions)
    sides = [base, data.draw(edited(base)), data.draw(edited(base))]
    before = copy.deepcopy(sides)
    match merge_sessions(*sides):
        case Merged(dict() as session):
            spoil(session)
    assert sides == before


def test_no_value_is_looked_at_again_at_each_level_around_it() -> None:
    def nested(levels: int, last: object) -> Json:
        value: object = [*range(20_000), last]
        for level in range(levels):
            value = {"inner": value, "level": level}
        return {"sessionId": "s", "state": value}

    def seconds(levels: int) -> float:
        before = process_time()
        for mine, theirs in (("a", "b"), (-1, -1)):
            merged = merge_sessions(nested(levels, 0), nested(levels, mine), nested(levels, theirs))
            assert isinstance(merged, Collided)
        return process_time() - before

    assert min(seconds(50) for _ in range(3)) < 4 * min(seconds(1) for _ in range(3))


def test_a_record_of_a_read_merges_with_what_was_made_of_it() -> None:
    wire = {
        "sessionId": "s",
        "playerId": "p",
        "encounter": {},
        "state": {},
        "startedAt": "2025-11-07T10:30:00.000Z",
    }
    base = Session.model_validate_json(json.dumps(wire))
    mine, theirs = {**wire, "mine": (1, 2)}, {**wire, "theirs": True}
    assert merge_sessions(base, mine, theirs) == Merged({**wire, "theirs": True, "mine": [1, 2]})


@pytest.mark.parametrize(
    ("code", "value"), [("bad_number", float("nan")), ("nul_character", "\0"), ("bad_json", {1, 2})]
)
def test_what_no_session_may_hold_is_rejected_as_a_write_of_it_would_be(code: str, value: object) -> None:
    with pytest.raises(Rejected, match=code):
        merge_sessions({}, {"state": value}, {})


@pytest.mark.parametrize("levels", [62, 200, 300, 100_000])
def test_nesting_without_end_is_rejected(levels: int) -> None:
    value: object = []
    for _ in range(levels):
        value = [value]
    with pytest.raises(Rejected, match="too_deep"):
        merge_sessions({}, {"state": value}, {})


def identity(value: Json) -> object:
    """Return a form of the value that does not depend on the order of keys and items."""
    if isinstance(value, dict):
        return frozenset((name, identity(item)) for name, item in value.items())
    if isinstance(value, list):
        return "list", frozenset(Counter(map(identity, value)).items())
    return type(value) is bool, value


def may_be_two_steps(pointer: str, side: Json) -> bool:
    """Return whether two equal steps may both count at a place: an append, a completion, or a number."""
    return (
        pointer.endswith("/-")
        or pointer == "/completedAt"
        or holds_number(find(side, pointer.split("/")[1:]))
    )


def holds_number(value: Json) -> bool:
    if isinstance(value, dict | list):
        return any(map(holds_number, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def dropped(pointer: str, base: Json, side: Json, merged: Json) -> list[str]:
    """Return the places that a side changed and whose change is not in the merged session."""
    if identity(side) in (identity(base), identity(merged)):
        return []
    if isinstance(side, dict) and isinstance(merged, dict) and (base is ABSENT or isinstance(base, dict)):
        before: Json = {} if base is ABSENT else base
        sides = (
            (name, [each.get(name, ABSENT) for each in (before, side, merged)]) for name in {**before, **side}
        )
        return [place for name, each in sides for place in dropped(f"{pointer}/{name}", *each)]
    if isinstance(side, list) and isinstance(merged, list) and (base is ABSENT or isinstance(base, list)):
        return dropped_items(pointer, base if isinstance(base, list) else [], side, merged)
    return [pointer]


def dropped_items(pointer: str, base: list[Json], side: list[Json], merged: list[Json]) -> list[str]:
    count = len(base)
    places = [
        place
        for number, (item, changed, result) in enumerate(zip(base, side, merged, strict=False))
        for place in dropped(f"{pointer}/{number}", item, changed, result)
    ]
    appended, kept = Counter(map(identity, side[count:])), Counter(map(identity, merged[count:]))
    return places if len(side) >= count and appended <= kept else [*places, pointer]


def is_changed(pointer: str, base: Json, side: Json) -> bool:
    """Return whether a side changed the value at a place."""
    names = pointer.removesuffix("/-").split("/")[1:]
    return identity(find(base, names)) != identity(find(side, names))


def find(value: Json, names: list[str]) -> Json:
    for name in names:
        if isinstance(value, list):
            value = value[int(name)]
        else:
            value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def spoil(value: Json) -> None:
    """Change every object and list within the value."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            spoil(item)
    if isinstance(value, dict):
        value["spoilt"] = True
    else:
        value.append("spoilt")
