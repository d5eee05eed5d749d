"""The migrations, by the runner and by psql alone."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

import worker.store.migrations as runner
from sql import MigrationFile, migration_files
from tests.support.servers.postgres_programs import SQL, dump_schema, run_file
from worker.errors import StorageUnavailable
from worker.store.migrations import (
    MigrationAlteredError,
    MigrationBlockedError,
    MigrationFailedError,
    MigrationStatus,
    SchemaAheadError,
    migrate,
    status,
)

VERSIONS = tuple(file.version for file in migration_files())
UP_TO_DATE = MigrationStatus(applied=VERSIONS, pending=(), ahead=(), altered=())


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


def test_versions_count_up_from_one() -> None:
    assert tuple(range(1, len(VERSIONS) + 1)) == VERSIONS


async def test_migrating_applies_everything_once(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == list(VERSIONS)
    assert await migrate(empty_database_url) == []
    assert await status(empty_database_url) == UP_TO_DATE


async def test_asking_for_the_status_changes_nothing(empty_database_url: str) -> None:
    before = dump_schema(empty_database_url)
    found = await status(empty_database_url)
    assert found == MigrationStatus(applied=(), pending=VERSIONS, ahead=(), altered=())
    assert dump_schema(empty_database_url) == before


async def test_three_replicas_may_migrate_at_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(3)))
    assert sorted(applied) == [[], [], list(VERSIONS)]


async def test_psql_alone_makes_the_same_schema(empty_database_url: str, database_url: str) -> None:
    for _ in range(2):  # running everything again harms nothing
        for file in migration_files():
            run_file(empty_database_url, SQL / "migrations" / f"{file.version:04}_{file.name}.sql")
    assert dump_schema(empty_database_url) == dump_schema(database_url)
    assert await status(empty_database_url) == UP_TO_DATE


async def test_the_runner_takes_over_from_psql(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    first = migration_files()[0]
    run_file(empty_database_url, SQL / "migrations" / f"{first.version:04}_{first.name}.sql")
    assert await migrate(empty_database_url) == list(VERSIONS[1:])
    rows = await connection.fetch("SELECT version, checksum FROM session_store_migrations")
    assert {row["version"]: row["checksum"] for row in rows} == {
        file.version: file.checksum for file in migration_files()
    }


async def test_the_schema_page_equals_the_sum_of_the_migrations(
    empty_database_url: str, database_url: str
) -> None:
    run_file(empty_database_url, SQL / "schema.sql")
    assert dump_schema(empty_database_url) == dump_schema(database_url)


async def test_a_database_of_a_newer_release_is_refused(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    run_file(empty_database_url, SQL / "migrations" / "0001_sessions.sql")
    await connection.execute("INSERT INTO session_store_migrations (version, name) VALUES (9000, 'later')")
    with pytest.raises(SchemaAheadError, match="9000"):
        await migrate(empty_database_url)
    assert await status(empty_database_url) == MigrationStatus((1, 9000), VERSIONS[1:], (9000,), ())


async def test_a_migration_that_was_altered_is_refused(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    await migrate(empty_database_url)
    await connection.execute("UPDATE session_store_migrations SET checksum = 'other' WHERE version = 2")
    with pytest.raises(MigrationAlteredError, match="0002"):
        await migrate(empty_database_url)
    assert (await status(empty_database_url)).altered == (2,)


async def test_a_migration_gives_up_on_a_lock_so_that_readers_do_not_queue_behind_it(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database_url)
    add(monkeypatch, "ALTER TABLE sessions ADD COLUMN trial text;")
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_SECONDS", 0.05)
    async with connection.transaction():
        await connection.execute("SELECT FROM sessions")
        with pytest.raises(MigrationBlockedError, match="trial"):
            await migrate(empty_database_url)
    assert await migrate(empty_database_url) == [VERSIONS[-1] + 1]


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "CREATE TABLE trial (); SELECT 1/0;")
    with pytest.raises(MigrationFailedError, match="division by zero"):
        await migrate(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('trial')") is None
    assert (await status(empty_database_url)).applied == VERSIONS


async def test_a_migration_may_run_outside_a_transaction(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "-- no-transaction\nCREATE INDEX CONCURRENTLY trial ON sessions (extra);\n")
    assert await migrate(empty_database_url) == [*VERSIONS, VERSIONS[-1] + 1]
    assert await connection.fetchval("SELECT to_regclass('trial')") == "trial"


async def test_an_index_whose_build_was_interrupted_is_built_anew(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    await migrate(empty_database_url)
    index = "indexrelid = 'idx_sessions_incomplete_by_id'::regclass"
    await connection.execute(f"UPDATE pg_index SET indisvalid = false WHERE {index}")  # noqa: S608
    await connection.execute("DELETE FROM session_store_migrations WHERE version = 5")
    assert await migrate(empty_database_url) == [5]
    assert await connection.fetchval(f"SELECT indisvalid FROM pg_index WHERE {index}")  # noqa: S608


async def test_a_server_that_is_away_is_said_to_be_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2")


def add(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Have the program carry one more migration than there is."""
    version = VERSIONS[-1] + 1
    note = f"INSERT INTO session_store_migrations VALUES ({version}, 'trial');\n"  # noqa: S608
    carried = (*migration_files(), MigrationFile(version, "trial", text + note, "its checksum"))
    monkeypatch.setattr(runner, "migration_files", lambda: carried)
