"""Each statement keeps the statistics of all players, which always equal the count over every session."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from tests.support.events.session_writers import write
from tests.support.servers.layouts import on_both_layouts
from tests.support.servers.postgres_programs import SQL, run_file

pytestmark = on_both_layouts

IN_ONE_SNAPSHOT = """
    SELECT counted, kept
      FROM (SELECT ROW(count(*), count(completed_at), count(*) - count(completed_at),
                       avg(extract(epoch FROM completed_at - started_at))::numeric)::text AS counted
              FROM sessions) AS scan,
           (SELECT ROW(stats.*)::text AS kept FROM exact_session_stats() AS stats) AS totals
"""
ADD = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at)
    SELECT 'sess_' || n, 'player', '{}', '{}', '2025-11-07T10:30:00Z',
           CASE WHEN n % 3 <> 0 THEN timestamptz '2025-11-07T10:30:00Z' + n * interval '1.000001 seconds' END
      FROM generate_series(1, 20) AS n
"""
UNCOUNTED = f"SET session_replication_role = replica; {ADD}; RESET session_replication_role"
"""Adds sessions without the triggers, as the storage plugin did before these existed."""
UPSERTS = {
    "plain": " ON CONFLICT (session_id) DO UPDATE SET completed_at = now(), started_at = '2020-02-02Z'",
    "partitioned": " ON CONFLICT (session_id, started_at) DO UPDATE SET completed_at = now()",
}
FOLDED_EVERY = 512


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Yield three more connections, with a limit on waits for a lock that a test holds."""
    async with AsyncExitStack() as stack:
        connections = [await asyncpg.connect(database_url) for _ in range(3)]
        for other in connections:
            stack.push_async_callback(other.close)
            await other.execute("SET lock_timeout = '5s'; SET synchronous_commit = off")
        yield connections


async def assert_kept(connection: asyncpg.Connection) -> str:
    """Assert that the statistics equal those counted in the same snapshot; return them."""
    counted, kept = await connection.fetchrow(IN_ONE_SNAPSHOT) or ("", "nothing")
    assert kept == counted
    return str(kept)


async def test_without_sessions_there_is_no_average(connection: asyncpg.Connection) -> None:
    assert await assert_kept(connection) == "(0,0,0,)"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET state = '{\"a\": 1}'",
        "UPDATE sessions SET completed_at = now()",
        "UPDATE sessions SET completed_at = NULL",
        "UPDATE sessions SET completed_at = started_at - interval '7 days'",
        "UPDATE sessions SET started_at = started_at - interval '1 month' WHERE session_id < 'sess_15'",
        "UPDATE sessions SET session_id = 'other ' || session_id, completed_at = NULL",
        "DELETE FROM sessions WHERE session_id < 'sess_15'",
        "TRUNCATE sessions",
        "TRUNCATE sessions; " + ADD,
        "WITH gone AS (DELETE FROM sessions RETURNING 1)" + ADD + "ON CONFLICT DO NOTHING",  # noqa: S608
        ADD + UPSERTS["plain"],
        "SET search_path = ''; UPDATE public.sessions SET completed_at = now(); RESET search_path",
    ],
)
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
async def test_after_any_statement_the_statistics_are_those_of_the_table(
    connection: asyncpg.Connection, change: str, isolation: str, layout: str
) -> None:
    change = change.replace(UPSERTS["plain"], UPSERTS[layout])
    await connection.execute(ADD)
    before = await assert_kept(connection)
    await connection.execute(f"BEGIN ISOLATION LEVEL {isolation}; SAVEPOINT first; {change}")
    after = await assert_kept(connection)
    await connection.execute("ROLLBACK TO first")
    assert await assert_kept(connection) == before
    await connection.execute(f"{change}; COMMIT")
    assert await assert_kept(connection) == after


async def test_a_copy_counts(connection: asyncpg.Connection) -> None:
    rows = [("a", "player", "{}", "{}", None), ("b", "player", "{}", "{}", None)]
    columns = ["session_id", "player_id", "encounter", "state", "completed_at"]
    await connection.execute("ALTER TABLE sessions ALTER started_at SET DEFAULT now()")
    await connection.copy_records_to_table("sessions", records=rows, columns=columns)
    assert await assert_kept(connection) == "(2,0,2,)"


async def test_infinite_times_count_and_take_no_time(connection: asyncpg.Connection) -> None:
    await connection.execute(ADD)
    await connection.execute("UPDATE sessions SET completed_at = started_at + interval '40 seconds'")
    await connection.execute("UPDATE sessions SET completed_at = 'infinity' WHERE session_id < 'sess_2'")
    await connection.execute("UPDATE sessions SET started_at = '-infinity' WHERE session_id = 'sess_2'")
    everybody = await connection.fetchrow("SELECT * FROM get_session_stats()")
    assert everybody == await connection.fetchrow("SELECT * FROM get_session_stats('player')")
    assert everybody
    assert (everybody[0], everybody[1], everybody[2], everybody[3]) == (20, 20, 0, 16)


async def test_who_may_only_write_sessions_keeps_the_totals_all_the_same(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("""
        DROP ROLE IF EXISTS test_totals_writer;
        CREATE ROLE test_totals_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO test_totals_writer;
    """)
    await connection.execute("BEGIN; SET LOCAL ROLE test_totals_writer")
    await connection.execute(ADD)
    await connection.execute("UPDATE sessions SET completed_at = now()")
    await connection.execute("DELETE FROM sessions WHERE session_id < 'sess_2'")
    await connection.execute("COMMIT")
    await assert_kept(connection)
    await connection.execute("DROP OWNED BY test_totals_writer; DROP ROLE test_totals_writer")


async def test_few_rows_hold_the_totals_of_many_statements(connection: asyncpg.Connection) -> None:
    await connection.execute(f"""
        DO $$ BEGIN FOR n IN 1..{3 * FOLDED_EVERY} LOOP
            INSERT INTO sessions (session_id, player_id, encounter, state, started_at)
            VALUES (n, 'player', '{{}}', '{{}}', now());
        END LOOP; END $$""")  # noqa: S608
    assert await connection.fetchval("SELECT count(*) FROM session_totals") <= FOLDED_EVERY
    assert await assert_kept(connection) == f"({3 * FOLDED_EVERY},0,{3 * FOLDED_EVERY},)"


@pytest.mark.parametrize("ends", [("COMMIT", "COMMIT"), ("ROLLBACK", "COMMIT"), ("COMMIT", "ROLLBACK")])
async def test_two_who_fold_at_the_same_time_wait_for_nobody_and_count_nothing_twice(
    connection: asyncpg.Connection, others: list[asyncpg.Connection], ends: tuple[str, str]
) -> None:
    await connection.execute(ADD)
    for number, other in enumerate(others[:2]):
        await other.execute("BEGIN")
        await fold(other, f"sess_{number + 1}")
        await assert_kept(other)
    for end, other in zip(ends, others, strict=False):
        await other.execute(end)
        await assert_kept(connection)


async def test_one_who_reads_from_before_a_fold_writes_all_the_same(
    connection: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    await connection.execute(ADD)
    await others[0].execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    before = await assert_kept(others[0])
    await fold(connection, "sess_1")
    assert await connection.fetchval("SELECT count(*) FROM session_totals") == 1
    assert await assert_kept(others[0]) == before
    await fold(others[0], "sess_2")
    await assert_kept(others[0])
    await others[0].execute("COMMIT")
    await assert_kept(connection)


async def test_statistics_and_a_truncate_do_not_deadlock(
    connection: asyncpg.Connection, others: list[asyncpg.Connection]
) -> None:
    await connection.execute(ADD)
    await connection.execute("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
    reader, pid = others[0], others[0].get_server_pid()
    asked = asyncio.create_task(reader.fetchval("SELECT total_sessions FROM get_session_stats()"))
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    while not await connection.fetchval(waiting, pid):
        assert not asked.done()
    await connection.execute("TRUNCATE sessions; COMMIT")
    assert await asked == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whoever_writes_at_the_same_time_every_snapshot_agrees(
    connection: asyncpg.Connection, others: list[asyncpg.Connection], seed: int
) -> None:
    await connection.execute("SELECT setval(pg_get_serial_sequence('session_totals', 'id'), 400)")
    writers = [
        asyncio.create_task(write(other, random.Random(seed * 10 + n))) for n, other in enumerate(others)
    ]
    while not all(writer.done() for writer in writers):
        await assert_kept(connection)
    await asyncio.gather(*writers)
    await assert_kept(connection)


async def test_sessions_from_before_are_counted_while_others_write(
    empty_database_url: str,
) -> None:
    run_file(empty_database_url, SQL / "migrations" / "0001_session_store.sql")
    async with AsyncExitStack() as stack:
        connections = [await asyncpg.connect(empty_database_url) for _ in range(3)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        await connections[0].execute(UNCOUNTED)
        writers = [asyncio.create_task(write(other, random.Random(7), 150)) for other in connections[1:]]
        await asyncio.to_thread(run_file, empty_database_url, SQL / "migrations" / "0002_adoption.sql")
        await assert_kept(connections[0])
        await asyncio.gather(*writers)
        await assert_kept(connections[0])


async def test_running_the_last_file_again_puts_right_what_went_round_the_triggers(
    connection: asyncpg.Connection, database_url: str
) -> None:
    await connection.execute(ADD)
    await connection.execute(
        "SET session_replication_role = replica; DELETE FROM sessions WHERE session_id < 'sess_2'"
    )
    assert await connection.fetchval("SELECT total_sessions FROM get_session_stats()") == 20
    for _ in range(2):
        run_file(database_url, SQL / "migrations" / "0002_adoption.sql")
        await assert_kept(connection)


async def fold(connection: asyncpg.Connection, session_id: str) -> None:
    """Complete a session in a statement whose row in the totals is one that folds."""
    await connection.execute(f"""
        SELECT setval(sequence, (nextval(sequence) / {FOLDED_EVERY} + 1) * {FOLDED_EVERY} - 1)
          FROM pg_get_serial_sequence('session_totals', 'id') AS sequence""")  # noqa: S608
    await connection.execute("UPDATE sessions SET completed_at = now() WHERE session_id = $1", session_id)
