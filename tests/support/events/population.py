"""A few hundred sessions with many ties, and the right answers of queries over them, in plain Python."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from contracts.session import format_timestamp
from tests.support.broker.caller import Json, make_session

SORTS: Final[Mapping[str, Callable[[Json], str | None]]] = {
    "createdAt": lambda record: record["session"]["startedAt"],
    "startedAt": lambda record: record["session"]["startedAt"],
    "updatedAt": lambda record: record["updatedAt"],
    "completedAt": lambda record: record["session"].get("completedAt"),
}
EDGES: Final = ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999999Z")
_EPOCH: Final = datetime(2025, 11, 7, 10, 30, tzinfo=UTC)
_TAGS: Final = ("salt", "Ōtsuka", "🧂", "")

Filter = Mapping[str, Any]


def populate(seed: int, number: int, prefix: str = "sess") -> list[Json]:
    """Return `number` sessions, drawn by the seed, with every kind of tie and gap."""
    draw = random.Random(seed)
    return [_make(draw, f"{prefix}_{draw.randrange(10**6):06}_{index}") for index in range(number)]


def select(records: Sequence[Json], wanted: Filter) -> list[Json]:
    """Return the records that pass a filter."""
    return [
        record for record in records if all(_TESTS[name](record, value) for name, value in wanted.items())
    ]


def in_order(records: Sequence[Json], sort_by: str, sort_order: str) -> list[Json]:
    """Return the records as the contract sorts them: nulls last, equal keys by ascending session id."""
    by_id = sorted(records, key=lambda record: str(record["session"]["sessionId"]))
    timed = [(moment(key), record) for record in by_id if (key := SORTS[sort_by](record)) is not None]
    timed.sort(key=itemgetter(0), reverse=sort_order == "desc")
    return [record for _, record in timed] + [record for record in by_id if SORTS[sort_by](record) is None]


def draw_filter(draw: random.Random, records: Sequence[Json], names: Sequence[str]) -> Filter:
    """Return a filter on these fields with values that some record has."""
    return {name: _VALUES[name](draw, draw.choice(records)) for name in names}


def moment(text: str) -> datetime:
    """Return the moment that a timestamp names."""
    return datetime.fromisoformat(text)


def contains(whole: Any, part: Any) -> bool:
    """Return the result of JSONB containment, without its exception for a scalar at the top."""
    match whole, part:
        case dict(), dict():
            return all(name in whole and contains(whole[name], value) for name, value in part.items())
        case list(), list():
            return all(any(contains(item, wanted) for item in whole) for wanted in part)
        case (dict() | list(), _) | (_, dict() | list()):
            return False
    return isinstance(whole, bool) == isinstance(part, bool) and whole == part


def _make(draw: random.Random, session_id: str) -> Json:
    started = _EPOCH + timedelta(minutes=draw.randrange(40), microseconds=draw.choice((0, 0, 1)))
    encounter: Json = {
        "tags": draw.sample(_TAGS, draw.randrange(4)),
        "objectives": [{"id": n, "done": draw.random() < 0.5} for n in range(draw.randrange(3))],
    }
    if draw.random() < 0.8:
        encounter["difficulty"] = draw.choice(("easy", "medium", "hard", "Hard "))
    state = {"at": draw.randrange(5), "nested": {"flag": draw.choice((True, False, None, 1, 1.5))}}
    session = make_session(session_id, f"player {draw.randrange(9)}", encounter=encounter, state=state)
    session["startedAt"] = draw.choice(EDGES) if draw.random() < 0.03 else format_timestamp(started)
    match draw.randrange(4):
        case 0 | 1:
            session["completedAt"] = format_timestamp(started + timedelta(minutes=draw.randrange(20)))
        case 2:
            session["completedAt"] = draw.choice((None, None, None, EDGES[1]))
    return session


def _bound(key: str, *, after: bool) -> Callable[[Json, str], bool]:
    def passes(record: Json, bound: str) -> bool:
        value = SORTS[key](record)
        if value is None:
            return False
        return moment(value) >= moment(bound) if after else moment(value) <= moment(bound)

    return passes


def _time_of(key: str) -> Callable[[random.Random, Json], str]:
    return lambda draw, record: SORTS[key](record) or draw.choice(EDGES)


_TESTS: Final[Mapping[str, Callable[[Json, Any], bool]]] = {
    "playerId": lambda record, value: record["session"]["playerId"] == value,
    "completed": lambda record, value: (record["session"].get("completedAt") is not None) == value,
    "difficulty": lambda record, value: record["session"]["encounter"].get("difficulty") == value,
    "encounterContains": lambda record, value: contains(record["session"]["encounter"], value),
    "stateContains": lambda record, value: contains(record["session"]["state"], value),
    **{
        f"{field}{side}": _bound(f"{field}At", after=side == "After")
        for field in ("started", "completed", "updated")
        for side in ("After", "Before")
    },
}
_VALUES: Final[Mapping[str, Callable[[random.Random, Json], Any]]] = {
    "playerId": lambda draw, record: draw.choice((record["session"]["playerId"], "nobody")),
    "completed": lambda draw, record: draw.random() < 0.5,
    "difficulty": lambda draw, record: record["session"]["encounter"].get("difficulty", "unheard of"),
    "encounterContains": lambda draw, record: _part(draw, record["session"]["encounter"]),
    "stateContains": lambda draw, record: _part(draw, record["session"]["state"]),
    **{
        f"{field}{side}": _time_of(f"{field}At")
        for field in ("started", "completed", "updated")
        for side in ("After", "Before")
    },
}
FILTERS: Final = tuple(_TESTS)


def _part(draw: random.Random, whole: Any) -> Any:
    """Return any part of `whole`, sometimes with a changed value."""
    match whole:
        case dict():
            return {name: _part(draw, value) for name, value in whole.items() if draw.random() < 0.6}
        case list():
            return [_part(draw, item) for item in whole if draw.random() < 0.6]
    return whole if draw.random() < 0.9 else draw.choice((None, True, 1, "salt", [], {}))
