"""Every filter, order and page, compared with a model of a few lines over the same sessions."""

import asyncio
import random
from typing import Final

import pytest
import pytest_asyncio

from tests.support.broker.caller import Caller, Failed, Json
from tests.support.events.population import (
    FILTERS,
    SORTS,
    Filter,
    draw_filter,
    in_order,
    populate,
    select,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSIONS: Final = 300
ORDERS: Final = [(sort_by, sort_order) for sort_by in SORTS for sort_order in ("asc", "desc")]
PAGE: Final = 37


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def records(caller: Caller) -> list[Json]:
    """Return the record of every session; no test here changes one."""
    sessions = populate(seed=17, number=SESSIONS)
    for start in range(0, SESSIONS, 50):  # sessions stored together have one updatedAt
        confirmations = await asyncio.gather(
            *(caller.write(session) for session in sessions[start : start + 50])
        )
        assert {confirmation["outcome"] for confirmation in confirmations} == {"stored"}
    ids = [session["sessionId"] for session in sessions]
    records: list[Json] = (await caller.call("session.readMany", {"sessionIds": ids}))["records"]
    assert [record["session"] for record in records] == sessions
    return records


def ids_of(records: list[Json]) -> list[str]:
    return [record["session"]["sessionId"] for record in records]


async def assert_answered(caller: Caller, records: list[Json], wanted: Filter) -> int:
    """Compare a query and a count with the model; return the number of matching sessions."""
    expected = in_order(select(records, wanted), "createdAt", "desc")
    page = await caller.query(wanted, limit=1000)
    assert ids_of(page["records"]) == ids_of(expected), wanted
    assert page["records"] == expected
    assert page["nextCursor"] is None
    assert await caller.call("session.count", {"filter": wanted}) == {"count": len(expected)}
    return len(expected)


@pytest.mark.parametrize("name", FILTERS)
async def test_each_filter_alone_finds_what_the_model_finds(
    caller: Caller, records: list[Json], name: str
) -> None:
    draw = random.Random(name)
    counts = [await assert_answered(caller, records, draw_filter(draw, records, [name])) for _ in range(12)]
    assert max(counts) > 0


@pytest.mark.parametrize("seed", range(4))
async def test_filters_together_find_what_the_model_finds(
    caller: Caller, records: list[Json], seed: int
) -> None:
    draw = random.Random(seed)
    counts = []
    for _ in range(30):
        names = draw.sample(FILTERS, draw.randint(2, 4))
        counts.append(await assert_answered(caller, records, draw_filter(draw, records, names)))
    assert sum(map(bool, counts)) > 5


@pytest.mark.parametrize(
    "value", [None, "x", 1, True, [], {}, ["at"], {"nested": {}}, {"nested": {"flag": None}}]
)
async def test_a_json_value_of_any_kind_can_be_looked_for(
    caller: Caller, records: list[Json], value: object
) -> None:
    for name in ("encounterContains", "stateContains"):
        await assert_answered(caller, records, {name: value})


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
async def test_pages_by_offset_and_by_cursor_are_the_same_sessions_in_the_same_order(
    caller: Caller, records: list[Json], sort_by: str, sort_order: str
) -> None:
    for wanted in ({}, {"completed": True}, {"completed": False}, {"playerId": "player 3"}):
        expected = ids_of(in_order(select(records, wanted), sort_by, sort_order))
        order = {"sortBy": sort_by, "sortOrder": sort_order, "limit": PAGE}
        cursor: dict[str, object] = {}
        for offset in range(0, len(expected), PAGE):
            by_offset = await caller.query(wanted, **order, offset=offset)
            by_cursor = await caller.query(wanted, **order, **cursor)
            assert ids_of(by_offset["records"]) == expected[offset : offset + PAGE]
            assert by_cursor["records"] == by_offset["records"]
            cursor = {"cursor": by_cursor["nextCursor"]}
        assert cursor == {"cursor": None}


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
async def test_pages_of_one_meet_every_tie_once(
    caller: Caller, records: list[Json], sort_by: str, sort_order: str
) -> None:
    wanted = {"playerId": "player 5"}
    expected = ids_of(in_order(select(records, wanted), sort_by, sort_order))
    found: list[str] = []
    cursor: dict[str, object] = {}
    while cursor != {"cursor": None}:
        page = await caller.query(wanted, sortBy=sort_by, sortOrder=sort_order, limit=1, **cursor)
        found += ids_of(page["records"])
        cursor = {"cursor": page["nextCursor"]}
    assert found == expected


async def test_newest_first_and_a_hundred_is_what_a_query_gets_that_asks_for_nothing(
    caller: Caller, records: list[Json]
) -> None:
    page = await caller.call("session.query")
    assert ids_of(page["records"]) == ids_of(in_order(records, "createdAt", "desc"))[:100]
    assert page["nextCursor"]


async def test_a_page_past_the_end_is_empty(caller: Caller, records: list[Json]) -> None:
    assert await caller.query(offset=10_000) == {"records": [], "nextCursor": None}
    assert await caller.query({"playerId": "nobody"}) == {"records": [], "nextCursor": None}


async def test_a_page_that_ends_with_the_last_session_has_no_cursor(
    caller: Caller, records: list[Json]
) -> None:
    page = await caller.query(limit=SESSIONS)
    assert len(page["records"]) == SESSIONS
    assert page["nextCursor"] is None


async def test_a_cursor_goes_on_with_pages_of_another_size(caller: Caller, records: list[Json]) -> None:
    first = await caller.query(limit=10)
    rest = await caller.query(limit=1000, cursor=first["nextCursor"])
    assert ids_of(first["records"] + rest["records"]) == ids_of(in_order(records, "createdAt", "desc"))


async def test_a_cursor_is_good_for_its_own_filter_and_order_alone(
    caller: Caller, records: list[Json]
) -> None:
    wanted = {"completed": True}
    cursor = (await caller.query(wanted, limit=5))["nextCursor"]
    await caller.query(wanted, cursor=cursor, sortBy="startedAt")  # the same order by its other name
    others: list[tuple[Filter, dict[str, object]]] = [
        ({}, {}),
        ({"completed": False}, {}),
        ({**wanted, "encounterContains": None}, {}),
        (wanted, {"sortBy": "completedAt"}),
        (wanted, {"sortOrder": "asc"}),
    ]
    for other, order in others:
        with pytest.raises(Failed, match="not given out for this filter and order"):
            await caller.query(other, **order, cursor=cursor)
