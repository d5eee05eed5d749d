"""The partitions themselves: which ones exist, the sessions in them, and those that a read opens."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

import sql
from tests.integration.test_session_totals import assert_kept
from tests.support.events.model import Event
from tests.support.events.session_events import apply_one, content_of, read_contents
from tests.support.servers.layouts import on_layout
from worker.store.layout import (
    LOCK_TIMEOUT,
    LayoutBusy,
    LayoutRefused,
    PartitionInterval,
    Plan,
    maintain,
    make_partitions,
    read_partitions,
)
from worker.store.migrations import migrate

Act = Callable[[asyncpg.Connection], Awaitable[object]]
MARCH = ("2026-03-01", "2026-04-01")
IN_MARCH = Event("a", 1, UUID(int=3))
IN_DECEMBER = Event("a", 2, UUID(int=1))
ADD = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at)
    SELECT $1::text || n, 'player', '{}', '{}', $2::timestamptz + n * interval '1 minute'
      FROM generate_series(1, $3) AS n
"""


pytestmark = on_layout("partitioned")


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(database_url)
        stack.push_async_callback(connection.close)
        yield connection


async def partition_of(connection: asyncpg.Connection, session_id: str) -> str:
    """Return the name of the one partition that has the session."""
    rows = await connection.fetch("SELECT tableoid::regclass FROM sessions WHERE session_id = $1", session_id)
    assert len(rows) == 1
    return str(rows[0][0])


async def stored(connection: asyncpg.Connection, *session_ids: str) -> list[str]:
    rows = await connection.fetch(sql.statement("read_placed_sessions"), list(session_ids))
    return sorted(row["session_id"] for row in rows)


async def read_since(connection: asyncpg.Connection, session_id: str) -> list[str]:
    rows = await connection.fetch(sql.statement("read_placed_session_since"), session_id, 1)
    return [row["session_id"] for row in rows if row["session_id"]]


async def test_a_session_whose_start_changes_moves_and_keeps_its_creation_time(
    connection: asyncpg.Connection,
) -> None:
    await apply_one(connection, IN_MARCH)
    assert await partition_of(connection, "a") == "sessions_default"
    created = await connection.fetchval("SELECT created_at FROM sessions")
    await apply_one(connection, IN_DECEMBER)
    assert await partition_of(connection, "a") == "sessions_20251201"
    assert await connection.fetchval("SELECT created_at = $1 AND updated_at > $1 FROM sessions", created)
    assert await read_contents(connection) == {"a": content_of(IN_DECEMBER)}
    await assert_kept(connection)


async def test_a_session_that_sql_moved_is_found_by_its_id_and_by_its_next_event(
    connection: asyncpg.Connection,
) -> None:
    await apply_one(connection, IN_MARCH)
    await connection.execute("UPDATE sessions SET started_at = '2026-01-03Z'")
    assert await stored(connection, "a") == ["a"]
    await apply_one(connection, IN_DECEMBER)
    assert await partition_of(connection, "a") == "sessions_20251201"


async def test_a_session_that_no_event_wrote_is_adopted_wherever_it_is(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute(ADD, "a", datetime(2026, 1, 9, tzinfo=UTC), 1)
    await connection.execute(sql.statement("adopt_sessions"))
    assert await stored(connection, "a1", "b") == ["a1"]
    await apply_one(connection, IN_DECEMBER._replace(session_id="a1", revision=2**53 - 1))
    assert await partition_of(connection, "a1") == "sessions_20251201"
    await assert_kept(connection)


async def test_a_session_that_only_sql_inserted_is_read_by_id(connection: asyncpg.Connection) -> None:
    await connection.execute(ADD, "a", datetime(2026, 1, 9, tzinfo=UTC), 2)
    assert await stored(connection, "a1", "a2", "a2", "b") == ["a1", "a2"]


async def test_a_read_by_id_opens_one_partition(connection: asyncpg.Connection) -> None:
    await apply_one(connection, IN_DECEMBER)
    notes: list[str] = []
    connection.add_log_listener(lambda _, message: notes.append(str(message)))
    await connection.execute("""
        LOAD 'auto_explain';
        SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
        SET auto_explain.log_analyze = on; SET auto_explain.log_format = json; SET auto_explain.log_level = notice;
    """)
    assert await stored(connection, "a") == ["a"]
    plans = [json.loads(note[note.index("{") :]) for note in notes if "{" in note]
    [plan] = [plan["Plan"] for plan in plans if "started_at =" in plan["Query Text"]]
    partitions = len(await read_partitions(connection))
    assert plan["Plans"][0]["Relation Name"] == "sessions_20251201"
    assert (plan["Subplans Removed"], len(plan["Plans"])) == (partitions - 1, 1)


async def test_partitions_are_made_ahead_in_the_width_that_was_chosen(connection: asyncpg.Connection) -> None:
    await make_partitions(
        connection, Plan(ahead=1)
    )  # the template has them, unless the month has just changed
    before = await read_partitions(connection)
    assert await make_partitions(connection, Plan(ahead=3)) == 2
    assert await make_partitions(connection, Plan(ahead=3)) == 0
    await make_partitions(connection, Plan(PartitionInterval.WEEK, ahead=20))
    known = await read_partitions(connection)
    assert [partition.name for partition in known if partition.ends is None] == ["sessions_default"]
    spans = [(partition.starts, partition.ends) for partition in known if partition.starts and partition.ends]
    assert all(ends <= following for (_, ends), (following, _) in pairwise(spans))
    newest = spans[-1]
    assert newest[1] - newest[0] == timedelta(days=7)
    assert datetime.now(UTC) + timedelta(weeks=20) < newest[1]
    assert await make_partitions(connection, Plan(ahead=22)) == 2  # weeks, like the newest
    assert len(known) > len(before)


async def test_dates_with_many_sessions_get_partitions_and_stray_ones_do_not(
    connection: asyncpg.Connection,
) -> None:
    for name, year, number in (("many", 2019, 30), ("few", 1, 29), ("far", 9999, 1)):
        await connection.execute(ADD, name, datetime(year, 5, 1, tzinfo=UTC), number)
    await connection.execute("UPDATE sessions SET completed_at = started_at + interval '1 hour'")
    before = await assert_kept(connection)
    assert await maintain(connection, Plan(ahead=0, least=30), drop_empty=False) == (1, 0)
    assert await partition_of(connection, "many7") == "sessions_20190501"
    assert (
        await partition_of(connection, "few7") == await partition_of(connection, "far1") == "sessions_default"
    )
    assert await assert_kept(connection) == before


async def test_a_partition_that_is_over_is_dropped_when_it_is_empty(connection: asyncpg.Connection) -> None:
    await apply_one(connection, IN_DECEMBER)
    plan = Plan(ahead=0)
    now = datetime.now(UTC)
    over = [known.name for known in await read_partitions(connection) if known.ends and known.ends <= now]
    assert "sessions_20260101" in over
    assert await maintain(connection, plan, drop_empty=True) == (0, len(over) - 1)  # December's has a session
    names = {partition.name for partition in await read_partitions(connection)}
    assert "sessions_20251201" in names
    assert "sessions_20260101" not in names
    await apply_one(connection, Event("a", 3, UUID(int=4), is_delete=True))
    assert await maintain(connection, plan, drop_empty=True) == (0, 1)
    assert await assert_kept(connection) == "(0,0,0,)"


@pytest.mark.parametrize(
    "act",
    [
        lambda connection: apply_one(connection, Event("b", 1, UUID(int=3))),
        lambda connection: apply_one(connection, IN_DECEMBER),
        lambda connection: stored(connection, "a"),
        lambda connection: read_since(connection, "a"),
        lambda connection: connection.fetch(sql.statement("read_session"), "a"),
    ],
    ids=["insert", "move", "read by place", "read since by place", "read"],
)
async def test_who_waits_while_a_partition_is_made_goes_on_with_it(
    connection: asyncpg.Connection, other: asyncpg.Connection, act: Act
) -> None:
    await apply_one(connection, IN_MARCH)
    await act(other)  # so that its cached plans are from before
    await connection.execute("DELETE FROM sessions; DELETE FROM session_ledger")
    await apply_one(connection, IN_MARCH)
    async with connection.transaction():
        await connection.execute(sql.statement("set_partition_bounds"), *MARCH)
        await connection.execute(sql.script("partitioning/make_partition"))
        acting = asyncio.ensure_future(act(other))
        await until_waiting(connection, other.get_server_pid())
    answer = await acting
    assert answer
    assert len(await read_contents(connection)) == await connection.fetchval("SELECT count(*) FROM sessions")


async def test_a_long_transaction_in_the_way_is_said_and_nothing_is_made(
    connection: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOCK_TIMEOUT == "1s"
    monkeypatch.setattr("worker.store.layout.LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr("worker.store.layout.PATIENCE_SECONDS", 0.1)
    before = await read_partitions(connection)
    async with other.transaction():
        await other.execute("SELECT FROM sessions")
        with pytest.raises(LayoutBusy, match="long transaction"):
            await make_partitions(connection, Plan(ahead=50))
    assert await read_partitions(connection) == before


async def test_a_plain_table_has_no_partitions_to_maintain(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    with pytest.raises(LayoutRefused, match="partition convert"):
        await maintain(connection, Plan(), drop_empty=False)
    await connection.close()


async def until_waiting(connection: asyncpg.Connection, pid: int) -> None:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    while not await connection.fetchval(waiting, pid):
        pass
