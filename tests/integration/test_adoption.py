"""A database of the storage plugin is adopted with all its data."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from sql import migration_files
from tests.support.events.model import Entry, Event
from tests.support.events.session_events import Answer, apply_one, read_ledger
from tests.support.servers.layouts import on_layout
from tests.support.servers.postgres_programs import SQL, dump_schema, run_file
from worker.store.migrations import MigrationFailed, migrate

PLUGIN = Path(__file__).with_name("storage_plugin.sql")
COLUMNS = "session_id, player_id, encounter, state, started_at, completed_at, created_at, updated_at"
SAVE = f"""
    INSERT INTO sessions ({COLUMNS}) VALUES ($1, 'player_9', '{{}}', $2, now(), NULL, now(), now())
    ON CONFLICT (session_id) DO UPDATE SET state = EXCLUDED.state, updated_at = NOW()
"""  # noqa: S608
REVISIONS = {
    "sess_done": 1762512300123456,  # updated_at
    "sess_open": 1762597801000000,  # created_at, where that is null
    "sess_bare": 1762684200000000,  # started_at, where both are
    "sess_old": 1,
    "sess_ancient": 1,
    "sess_never": None,  # the time of the migration: a future time would keep engines' writes out
    "sess_beyond": None,
}


@pytest.fixture
def plugin_url(empty_database_url: str) -> str:
    """Return the URL of a database as the plugin left it."""
    run_file(empty_database_url, PLUGIN)
    return empty_database_url


@pytest.fixture
async def connection(plugin_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(plugin_url)
    yield connection
    await connection.close()


async def test_every_row_stays_as_it_was(connection: asyncpg.Connection, plugin_url: str) -> None:
    rows = f"SELECT ({COLUMNS})::text FROM sessions ORDER BY session_id"  # noqa: S608
    before = await connection.fetch(rows)
    await migrate(plugin_url)
    assert len(before) == len(REVISIONS)
    assert await connection.fetch(rows) == before


async def test_every_row_gets_a_revision_and_a_ledger_entry(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await migrate(plugin_url)
    now = await connection.fetchval("SELECT floor(extract(epoch FROM now()) * 1000000)::bigint")
    found = await connection.fetch("SELECT session_id, revision FROM sessions")
    rows: dict[str, int] = {row["session_id"]: row["revision"] for row in found}
    for session_id, revision in REVISIONS.items():
        assert rows[session_id] == revision or (
            revision is None and now - 60_000_000 < rows[session_id] <= now
        )
    assert await read_ledger(connection) == {
        session_id: Entry(revision, adopted_id(session_id), "stored") for session_id, revision in rows.items()
    }


async def test_difficulty_becomes_a_column(connection: asyncpg.Connection, plugin_url: str) -> None:
    await migrate(plugin_url)
    found = await connection.fetch("SELECT difficulty, session_id FROM sessions WHERE difficulty IS NOT NULL")
    assert {tuple(row) for row in found} == {("hard", "sess_done"), ("3", "sess_bare")}


@on_layout("plain")
async def test_the_schema_equals_that_of_a_new_database(
    connection: asyncpg.Connection, plugin_url: str, database_url: str
) -> None:
    await migrate(plugin_url)
    await connection.execute("DROP FUNCTION touch_updated_at CASCADE")  # the plugin's trigger stays
    assert dump_schema(plugin_url) == dump_schema(database_url)


async def test_the_plugins_sql_keeps_working(connection: asyncpg.Connection, plugin_url: str) -> None:
    await migrate(plugin_url)
    await connection.execute(SAVE, "sess_new", '{"step": 1}')
    await connection.execute(SAVE, "sess_new", '{"step": 2}')
    await connection.execute(SAVE, "sess_open", '{"step": 3}')
    states = "SELECT state FROM sessions WHERE player_id = 'player_9' OR session_id = 'sess_open' ORDER BY 1"
    assert [row[0] for row in await connection.fetch(states)] == ['{"step": 2}', '{"step": 3}']
    stats = await connection.fetchrow("SELECT * FROM get_session_stats('player_1')")
    assert tuple(stats or ()) == (2, 1, 1, 900)
    active = await connection.fetch("SELECT session_id FROM active_sessions WHERE duration_seconds > 0")
    assert {row[0] for row in active} >= {"sess_open", "sess_bare"}
    assert await connection.execute("DELETE FROM sessions WHERE session_id = 'sess_new'") == "DELETE 1"


async def test_events_go_on_from_the_adopted_revision(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await migrate(plugin_url)
    revision = 1762512300123456
    adopted = Entry(revision, adopted_id("sess_done"), "stored")
    late = Event("sess_done", revision - 1, UUID(int=1))
    following = Event("sess_done", revision + 1, UUID(int=2), expected=revision)
    assert await apply_one(connection, late) == Answer("superseded", adopted)
    assert await apply_one(connection, following) == Answer("stored", adopted)


async def test_what_the_plugin_wrote_since_is_adopted_by_running_the_file_again(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await migrate(plugin_url)
    await connection.execute(SAVE, "sess_new", "{}")
    await connection.execute(
        "DELETE FROM session_ledger WHERE session_id = 'sess_new'"
    )  # as without the triggers
    run_file(plugin_url, SQL / "migrations" / "0002_adoption.sql")
    revision = await connection.fetchval("SELECT revision FROM sessions WHERE session_id = 'sess_new'")
    ledger = await read_ledger(connection)
    assert ledger["sess_new"] == Entry(revision, adopted_id("sess_new"), "stored")
    assert len(ledger) == len(REVISIONS) + 1


async def test_the_original_objects_that_were_replaced_are_kept_as_text(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await migrate(plugin_url)
    replaced = await replaced_of(connection)
    assert set(replaced) == {
        "active_sessions",
        "get_session_stats",
        "idx_sessions_completed_at",
        "idx_sessions_difficulty",
        "idx_sessions_incomplete",
        "idx_sessions_started_at",
    }
    assert "((encounter ->> 'difficulty'::text))" in replaced["idx_sessions_difficulty"]
    assert "SELECT 0::bigint" in replaced["get_session_stats"]


async def test_a_new_database_and_one_that_is_migrated_again_had_nothing_to_replace(
    connection: asyncpg.Connection, plugin_url: str, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    assert await replaced_of(other) == {}
    await other.close()
    await migrate(plugin_url)
    replaced = await replaced_of(connection)
    run_file(plugin_url, SQL / "migrations" / "0001_session_store.sql")
    assert await replaced_of(connection) == replaced


async def test_the_average_of_the_statistics_is_rounded_as_by_the_plugin(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await migrate(plugin_url)
    for seconds in (1, 1, 2):
        await connection.execute(
            "INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at)"
            " VALUES (gen_random_uuid(), 'p', '{}', '{}', now(), now() + $1 * interval '1 second')",
            seconds,
        )
    average = "SELECT avg_completion_time_seconds::text FROM {}('p')"
    assert await connection.fetchval(average.format("get_session_stats")) == "1.33"
    assert str(await connection.fetchval(average.format("exact_session_stats"))).startswith("1.3333333")


async def test_a_view_that_fits_is_replaced_in_place(connection: asyncpg.Connection, plugin_url: str) -> None:
    await connection.execute("""
        DROP VIEW active_sessions;
        CREATE VIEW active_sessions AS
        SELECT session_id, player_id, encounter, state, started_at, 0::numeric AS duration_seconds FROM sessions;
        CREATE VIEW report AS SELECT count(*) FROM active_sessions;
    """)
    await migrate(plugin_url)
    assert await connection.fetchval("SELECT count FROM report") == len(REVISIONS) - 3


async def test_a_view_that_depends_on_one_that_does_not_fit_is_named(
    connection: asyncpg.Connection, plugin_url: str
) -> None:
    await connection.execute("CREATE VIEW report AS SELECT count(*) FROM active_sessions")
    with pytest.raises(MigrationFailed, match="0001_session_store: cannot drop view active_sessions"):
        await migrate(plugin_url)
    await connection.execute("DROP VIEW report")
    assert await migrate(plugin_url) == [file.version for file in migration_files()]


async def test_a_table_that_is_not_the_plugins_is_left_alone(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE sessions (sid text, expire timestamptz)")
    with pytest.raises(MigrationFailed, match="0001_session_store"):
        await migrate(empty_database_url)
    columns = "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'sessions'::regclass AND attnum > 0"
    assert await connection.fetchval(columns) == "sid,expire"
    await connection.close()


async def replaced_of(connection: asyncpg.Connection) -> dict[str, str]:
    """Return the definitions that the first migration replaced, by name."""
    replaced = await connection.fetchval("SELECT replaced FROM session_store_migrations WHERE version = 1")
    return {} if replaced is None else dict(json.loads(replaced))


def adopted_id(session_id: str) -> UUID:
    """Return the event id of a row that no event wrote."""
    return UUID(hashlib.md5(session_id.encode(), usedforsecurity=False).hexdigest())
