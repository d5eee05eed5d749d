"""The statements that the database denies, tried with each role's own login."""

import asyncio

import asyncpg
import pytest

from tests.escapes.attempt import Attempt
from tests.escapes.database_attempts import DATABASE_ATTEMPTS, READER, WORKER, DatabaseAttempt
from tests.escapes.walls import Walls

LOWER = Attempt("superuser-lowers", "superuser: lower a session's revision", "database", "23514")
CONNECTIONS = Attempt(
    "reader-connections", "reader: open more connections than its limit", "database", "53300"
)
TIME = Attempt("reader-takes-time", "reader: ask for longer than its limit", "database", "57014")
OTHER_ATTEMPTS = (LOWER, CONNECTIONS, TIME)


@pytest.fixture
async def watched(walls: Walls) -> asyncpg.Connection:
    """Return a superuser's connection, which a test's attempt may want to end."""
    return await asyncpg.connect(walls.postgres.url_of(walls.database))


@pytest.mark.parametrize("attempt", DATABASE_ATTEMPTS, ids=str)
async def test_the_database_refuses_what_a_role_need_not_do(
    walls: Walls, watched: asyncpg.Connection, attempt: DatabaseAttempt
) -> None:
    connection = await asyncpg.connect(walls.database_url(attempt.role))
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await connection.execute(attempt.statement)
    assert refusal.value.sqlstate == attempt.answer
    await connection.close()
    assert await watched.fetchval("SELECT 1") == 1
    await watched.close()


async def test_nobody_lowers_a_revision(walls: Walls, watched: asyncpg.Connection) -> None:
    add = (
        "INSERT INTO sessions (session_id, player_id, encounter, state, started_at)"
        " VALUES ('lowered', 'p', '{}', '{}', now())"
    )
    await watched.execute(add)
    with pytest.raises(asyncpg.CheckViolationError):
        await watched.execute("UPDATE sessions SET revision = 1 WHERE session_id = 'lowered'")
    await watched.close()


async def test_a_role_has_so_many_connections_and_no_more(walls: Walls, watched: asyncpg.Connection) -> None:
    most = await watched.fetchval("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", READER)
    opened: list[asyncpg.Connection] = []
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await _open(walls.database_url(READER), most + 1, opened)
    assert len(opened) <= most
    await asyncio.gather(*(connection.close() for connection in opened), watched.close())


async def _open(url: str, wanted: int, opened: list[asyncpg.Connection]) -> None:
    while len(opened) < wanted:
        opened.append(await asyncpg.connect(url))


async def test_a_role_begins_with_its_limits_in_time(walls: Walls, watched: asyncpg.Connection) -> None:
    await watched.execute(f"ALTER ROLE {READER} SET statement_timeout = '50ms'")
    try:
        connection = await asyncpg.connect(walls.database_url(READER))
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute("SELECT pg_sleep(60)")
        await connection.close()
    finally:
        await watched.execute(f"ALTER ROLE {READER} SET statement_timeout = '10s'")
        await watched.close()


async def test_the_worker_still_does_its_work(walls: Walls) -> None:
    """Show that the tests above do not pass merely because the login can do nothing."""
    connection = await asyncpg.connect(walls.database_url(WORKER))
    nothing = ", ".join(["'{}'"] * 11)
    assert await connection.fetch(f"SELECT * FROM apply_session_events({nothing})") == []  # noqa: S608
    await connection.close()
