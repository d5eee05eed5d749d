"""The migrations, by the runner and by psql alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

import sql
import worker.store.migrations as runner
from deploy.local.postgres import PostgresServer
from deploy.schema import MAJOR, PAGE, page_of
from sql import MigrationFile, migration_files
from tests.support.programs.page import commands_of, run_commands
from tests.support.servers.layouts import CITUS, LAYOUTS, Templates, on_layout
from tests.support.servers.postgres_programs import SQL, dump_schema, run_file
from tests.support.servers.running import database_copy
from tests.support.servers.storages import storage_at
from worker.errors import StorageUnavailable
from worker.store.migrations import (
    DEVELOPMENT,
    MigrationAltered,
    MigrationBlocked,
    MigrationFailed,
    MigrationsReplaced,
    MigrationStatus,
    SchemaAhead,
    migrate,
    status,
)

NUMERIC_EXTRACT = 14

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


@on_layout("plain")  # a conversion makes partitions, and no migration
async def test_psql_alone_makes_the_same_schema(empty_database_url: str, database_url: str) -> None:
    for _ in range(2):  # running everything again harms nothing
        for file in migration_files():
            run_file(empty_database_url, path_of(file))
    assert dump_schema(empty_database_url) == dump_schema(database_url)
    assert await status(empty_database_url) == UP_TO_DATE


@pytest.mark.parametrize("migrated_layout", [*LAYOUTS, CITUS])
def test_psql_runs_them_again_and_leaves_each_layout_as_it_is(
    postgres_server: PostgresServer, templates: Templates, migrated_layout: str
) -> None:
    for url in database_copy(postgres_server, templates.name_of(postgres_server, migrated_layout)):
        before = dump_schema(url)
        for file in migration_files()[: 1 if migrated_layout == CITUS else None]:  # a row there has a bucket
            run_file(url, path_of(file))
        assert dump_schema(url) == before


async def test_the_runner_takes_over_from_psql(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    first = migration_files()[0]
    run_file(empty_database_url, path_of(first))
    assert await migrate(empty_database_url) == list(VERSIONS[1:])
    rows = await connection.fetch("SELECT version, checksum FROM session_store_migrations")
    assert {row["version"]: row["checksum"] for row in rows} == {
        file.version: file.checksum for file in migration_files()
    }


@on_layout("plain")  # a conversion makes partitions, and no migration
async def test_the_schema_page_equals_the_sum_of_the_migrations(
    empty_database_url: str, database_url: str, connection: asyncpg.Connection
) -> None:
    if connection.get_server_version().major < NUMERIC_EXTRACT:
        pytest.skip("the page has the type that EXTRACT has since PostgreSQL 14, and needs a cast before")
    run_file(empty_database_url, PAGE)
    assert dump_schema(empty_database_url) == dump_schema(database_url)


async def test_the_schema_page_is_the_one_that_its_command_writes(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    if connection.get_server_version().major != MAJOR:
        pytest.skip(f"the page is written by PostgreSQL {MAJOR}; the test above holds it on any other")
    await migrate(empty_database_url)
    assert PAGE.read_text() == page_of(empty_database_url), "run: make schema"


async def test_a_database_of_a_newer_release_is_refused(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    run_file(empty_database_url, path_of(migration_files()[0]))
    await connection.execute("INSERT INTO session_store_migrations (version, name) VALUES (9000, 'later')")
    with pytest.raises(SchemaAhead, match="9000"):
        await migrate(empty_database_url)
    assert await status(empty_database_url) == MigrationStatus((1, 9000), VERSIONS[1:], (9000,), ())


async def test_a_migration_that_was_altered_is_refused(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    await migrate(empty_database_url)
    await connection.execute("UPDATE session_store_migrations SET checksum = 'other' WHERE version = 2")
    with pytest.raises(MigrationAltered, match="0002"):
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
        with pytest.raises(MigrationBlocked, match="trial"):
            await migrate(empty_database_url)
    assert await migrate(empty_database_url) == [VERSIONS[-1] + 1]


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "CREATE TABLE trial (); SELECT 1/0;")
    with pytest.raises(MigrationFailed, match="division by zero"):
        await migrate(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('trial')") is None
    assert (await status(empty_database_url)).applied == VERSIONS


async def test_a_migration_may_run_outside_a_transaction(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "-- no-transaction\nCREATE INDEX CONCURRENTLY trial ON sessions (extra);\n")
    assert await migrate(empty_database_url) == [*VERSIONS, VERSIONS[-1] + 1]
    assert await connection.fetchval("SELECT to_regclass('trial')") == "trial"


async def test_a_later_migration_replaces_a_function_and_leaves_its_rights(
    empty_database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database_url)
    await connection.execute("GRANT EXECUTE ON FUNCTION apply_session_events TO PUBLIC")
    before = dump_schema(empty_database_url)
    function = sql.script("functions/apply_session_events").replace(
        "\nBEGIN\n", "\nBEGIN\n    -- changed\n", 1
    )
    add(monkeypatch, function.replace("REVOKE ALL ON FUNCTION apply_session_events FROM PUBLIC;", ""))
    assert await migrate(empty_database_url) == [VERSIONS[-1] + 1]
    after = dump_schema(empty_database_url)
    assert after.count("    -- changed") == 1
    assert [line for line in after if line != "    -- changed"] == before


async def test_a_database_of_a_development_version_is_refused_until_it_is_taken_over(
    empty_database_url: str, connection: asyncpg.Connection
) -> None:
    await migrate(empty_database_url)
    await connection.execute("""
        TRUNCATE session_store_migrations;
        INSERT INTO session_store_migrations (version, name, checksum)
        VALUES (1, 'sessions', 'one'), (2, 'session_ledger', 'two'), (3, 'apply_session_events', 'three');
    """)
    async with storage_at(empty_database_url) as storage:
        with pytest.raises(MigrationsReplaced, match="development version"):
            await storage.check_schema()
    with pytest.raises(MigrationsReplaced, match=f"0001, 0002.*{DEVELOPMENT}"):
        await migrate(empty_database_url)
    with pytest.raises(AssertionError, match="development version"):
        run_file(empty_database_url, path_of(migration_files()[0]))
    for commands in commands_of("sql/README.md", DEVELOPMENT):
        await asyncio.to_thread(run_commands, commands, {"DATABASE_URL": empty_database_url})
    assert await status(empty_database_url) == UP_TO_DATE


async def test_a_server_that_is_away_is_said_to_be_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2")


def path_of(file: MigrationFile) -> Path:
    """Return the path of a migration's file."""
    return SQL / "migrations" / f"{file.version:04}_{file.name}.sql"


def add(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Add a migration to those in the program."""
    version = VERSIONS[-1] + 1
    note = f"INSERT INTO session_store_migrations VALUES ({version}, 'trial');\n"  # noqa: S608
    carried = (*migration_files(), MigrationFile(version, "trial", text + note, "its checksum"))
    monkeypatch.setattr(runner, "migration_files", lambda: carried)
