"""sql/roles.sql while others use the tables: it waits briefly, gives up, and names the next step."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.programs import postgres_programs
from tests.support.servers.postgres_programs import SQL, run_file

ROLES = SQL / "roles.sql"
OWNED = (
    "SELECT count(*) FROM pg_class WHERE relowner = 'session_store_owner'::regrole AND relkind IN ('r', 'v')"
)
ALL = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a second connection to this test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_running_it_again_waits_for_nobody(database_url: str, connection: asyncpg.Connection) -> None:
    run_file(database_url, ROLES)
    async with connection.transaction():
        await connection.execute("LOCK TABLE sessions, session_ledger IN ROW EXCLUSIVE MODE")
        run_file(database_url, ROLES)


async def test_a_long_transaction_makes_it_give_up_and_say_who_is_in_the_way(
    database_url: str, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE session_totals IN ACCESS SHARE MODE")
        status, said = await _run_roles(database_url)
        assert status != 0
        assert "the tables are in use" in said
        assert f"pid {connection.get_server_pid()}" in said
        assert "Run this file again" in said
        assert await other.fetchval(OWNED) == 0, "some of it was done"
    run_file(database_url, ROLES)
    assert await other.fetchval(OWNED) == await other.fetchval(ALL) > 5


async def test_who_locks_in_another_order_is_never_the_victim(
    database_url: str, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE session_totals IN ROW EXCLUSIVE MODE")
        running = asyncio.create_task(_run_roles(database_url))
        while await other.fetchval(WAITING, "session_totals") == 0:
            await asyncio.sleep(0.01)
        await connection.execute(
            "LOCK TABLE session_ledger IN ROW EXCLUSIVE MODE"
        )  # which the script has locked now
    assert await running == (0, "")
    assert await other.fetchval(OWNED) == await other.fetchval(ALL) > 5


async def _run_roles(url: str, file: Path = ROLES) -> tuple[int | None, str]:
    """Run the file, and return the exit status and the errors."""
    running = await asyncio.create_subprocess_exec(
        str(postgres_programs() / "psql"),
        *("-XqAt", "-v", "ON_ERROR_STOP=1", "-1", "-f", str(file), url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"LC_ALL": "C", "PGOPTIONS": "-c client_min_messages=warning"},
    )
    _, complaint = await running.communicate()
    return running.returncode, complaint.decode()
