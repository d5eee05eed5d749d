"""The commands of docs/data.md restore a database, and the restored one still refuses late events."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from yarl import URL

from contracts.client import SessionStore
from contracts.outcomes import Outcome
from deploy.local.ports import choose_port
from deploy.local.postgres import PostgresServer
from tests.support.broker.caller import make_session
from tests.support.programs.command import run_command
from tests.support.programs.page import commands_of, run_commands
from tests.support.programs.replica import Replica
from tests.support.selection import long

PAGE = "docs/data.md"
KEPT = (
    "SELECT * FROM sessions ORDER BY session_id",
    "SELECT * FROM session_ledger ORDER BY session_id",
    "SELECT * FROM get_session_stats()",
    "SELECT * FROM session_store_migrations ORDER BY version",
)
Variables = dict[str, str]


@asynccontextmanager
async def serving(database: str, amqp_url: str, prefix: str) -> AsyncIterator[SessionStore]:
    """Yield a client of a worker that stores in this database, and stop the worker afterwards."""
    variables = {"DATABASE_URL": database, "AMQP_URL": amqp_url, "SESSION_STORE_PREFIX": prefix}
    assert run_command("topology", variables=variables).returncode == 0
    replica = await Replica.start(variables)
    try:
        await replica.logged("broker.connected")
        async with SessionStore(amqp_url, prefix=prefix, timeout=20) as store:
            yield store
        assert await replica.stop() == 0
    finally:
        await replica.kill()


async def contents(database: str) -> list[list[asyncpg.Record]]:
    connection = await asyncpg.connect(database)
    try:
        return [await connection.fetch(query) for query in KEPT]
    finally:
        await connection.close()


async def write_some(store: SessionStore) -> None:
    for session_id in ("kept", "deleted"):
        await store.write(make_session(session_id, completedAt="2025-11-07T10:35:00.000Z"), revision=10)
    assert (await store.delete("deleted", revision=20)).existed


async def assert_late_events_are_refused(store: SessionStore) -> None:
    for session_id, revision in (("kept", 5), ("deleted", 15)):
        late = await store.write(make_session(session_id), revision=revision)
        assert late.outcome is Outcome.SUPERSEDED
    kept = await store.read("kept")
    assert kept is not None
    assert kept.revision == 10
    assert await store.read("deleted") is None


def login(server: PostgresServer, database: str) -> Variables:
    """Return the variables that PostgreSQL's programs read."""
    address = URL(server.url_of(database))
    parts = (address.host, address.port, address.user, address.password, database)
    names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
    return {name: str(part) for name, part in zip(names, parts, strict=True)}


@pytest.fixture
def backups(own_postgres: PostgresServer) -> Iterator[Path]:
    """Yield a directory that belongs to the server's user."""
    directory = Path(tempfile.mkdtemp(prefix="session-store-"))
    shutil.chown(directory, server_user(own_postgres), server_user(own_postgres))
    yield directory
    shutil.rmtree(directory)


def server_user(server: PostgresServer) -> str:
    return Path(server.psql("SHOW data_directory")).owner()


async def test_a_dump_comes_back_with_what_was_deleted(
    own_postgres: PostgresServer, own_database_url: str, amqp_url: str, prefix: str, backups: Path
) -> None:
    dump, restore = commands_of(PAGE, "A dump, and the database from it")
    restored = f"restored_{uuid4().hex}"
    variables = login(own_postgres, own_database_url.rpartition("/")[2])
    variables |= {"BACKUPS": str(backups), "RESTORED": restored}
    async with serving(own_database_url, amqp_url, prefix) as store:
        await write_some(store)
        run_commands(dump, variables)
        before = await contents(own_database_url)
        await store.write(make_session("kept"), revision=30)
    run_commands(restore, variables)
    assert await contents(own_postgres.url_of(restored)) == before
    async with serving(own_postgres.url_of(restored), amqp_url, prefix) as store:
        await assert_late_events_are_refused(store)


@long("a cluster is copied and recovered; a dump is restored by each change")
async def test_a_moment_comes_back_from_a_copy_and_the_log(
    own_postgres: PostgresServer, own_database_url: str, amqp_url: str, prefix: str, backups: Path
) -> None:
    archive, copy, name, restore = commands_of(PAGE, "A moment between two dumps")
    database, user, port = own_database_url.rpartition("/")[2], server_user(own_postgres), choose_port()
    variables = {"BACKUPS": str(backups), "RESTORED": str(backups / "restored"), "RESTORED_PORT": str(port)}
    variables |= login(own_postgres, database)
    run_commands(archive, variables)
    own_postgres.restart()
    run_commands(copy, variables | login(own_postgres, database), backups, user)
    async with serving(own_database_url, amqp_url, prefix) as store:
        await write_some(store)
        before = await contents(own_database_url)
        run_commands(name, variables)
        await store.write(make_session("kept"), revision=30)
        await store.write(make_session("later"), revision=10)
    run_commands(restore, variables, backups, user)
    try:
        restored = str(URL(own_database_url).with_port(port))
        assert await contents(restored) == before
        async with serving(restored, amqp_url, prefix) as store:
            await assert_late_events_are_refused(store)
    finally:
        stop = 'pg_ctl --pgdata="$RESTORED" --mode=immediate stop'
        run_commands(stop, variables, backups, user)
