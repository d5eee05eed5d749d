"""What each role may do, and for how long."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from tests.integration.postgres_programs import SQL, run_file
from tests.integration.session_events import apply_one, read_ledger
from tests.model import Event

WRITE = Event("a", 1, UUID(int=2))  # an even id: the session is not complete
DELETE = Event("a", 2, UUID(int=2), is_delete=True)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a superuser's connection to a database with roles; `SET ROLE` makes it theirs."""
    for _ in range(2):  # running the file again harms nothing
        run_file(database_url, SQL / "roles.sql")
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_worker_applies_events_and_reads(connection: asyncpg.Connection) -> None:
    await connection.execute("SET ROLE session_store_worker")
    assert (await apply_one(connection, WRITE)).outcome == "stored"
    assert await connection.fetchval("SELECT count(*) FROM active_sessions") == 1
    assert await connection.fetchval("SELECT total_sessions FROM get_session_stats()") == 1
    assert await connection.fetchval("SELECT count(*) > 0 FROM session_store_migrations")
    assert (await apply_one(connection, DELETE)).outcome == "deleted"
    assert len(await read_ledger(connection)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE sessions",
        "DROP TABLE session_ledger",
        "ALTER TABLE sessions ADD COLUMN mine text",
        "DELETE FROM session_store_migrations",
    ],
)
async def test_the_worker_does_not_change_the_schema(connection: asyncpg.Connection, statement: str) -> None:
    await connection.execute("SET ROLE session_store_worker")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_the_reader_reads_sessions(connection: asyncpg.Connection) -> None:
    await apply_one(connection, WRITE)
    await connection.execute("SET ROLE session_store_reader")
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 1
    assert await connection.fetchval("SELECT count(*) FROM active_sessions") == 1
    assert await connection.fetchval("SELECT total_sessions FROM get_session_stats()") == 1


@pytest.mark.parametrize("statement", ["SELECT FROM session_ledger", "DELETE FROM sessions"])
async def test_the_reader_sees_no_ledger_and_writes_nothing(
    connection: asyncpg.Connection, statement: str
) -> None:
    await connection.execute("SET ROLE session_store_reader")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await apply_one(connection, WRITE)


async def test_nobody_else_calls_the_functions(connection: asyncpg.Connection) -> None:
    public = "SELECT has_function_privilege('pg_monitor', oid, 'EXECUTE') FROM pg_proc WHERE proname = $1"
    assert await connection.fetchval(public, "apply_session_events") is False
    assert await connection.fetchval(public, "get_session_stats") is False


@pytest.mark.parametrize("role", ["session_store_worker", "session_store_reader"])
async def test_every_login_has_time_limits(connection: asyncpg.Connection, role: str) -> None:
    settings = await connection.fetchval("SELECT rolconfig FROM pg_roles WHERE rolname = $1", role)
    limited = {setting.partition("=")[0] for setting in settings}
    assert limited >= {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}


async def test_the_owner_owns_and_does_not_log_in(connection: asyncpg.Connection) -> None:
    owned = "SELECT relname FROM pg_class WHERE relowner = 'session_store_owner'::regrole AND relkind IN ('r', 'v')"
    names = {row[0] for row in await connection.fetch(owned)}
    tables = {
        "sessions",
        "session_ledger",
        "session_totals",
        "session_erasures",
        "session_store_migrations",
    }
    assert names == {*tables, "active_sessions"}
    login = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'session_store_owner'"
    assert await connection.fetchval(login) is False
