"""The rights and time limits of each role: every action is tried as each role."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from sql import statement
from tests.support.events.model import Event
from tests.support.events.session_events import apply_one, read_ledger
from tests.support.servers.postgres_programs import SQL, run_file

WRITE = Event("a", 1, UUID(int=2))  # an even id: the session is not complete
DELETE = Event("a", 2, UUID(int=2), is_delete=True)

OWNER, WORKER, JANITOR, READER = (
    f"session_store_{name}" for name in ("owner", "worker", "janitor", "reader")
)
LOGINS: Final = (WORKER, JANITOR, READER)
TABLES: Final = (
    "sessions",
    "session_ledger",
    "session_totals",
    "session_erasures",
    "session_store_migrations",
)

ATTEMPTS: Final = {
    **{f"read {table}": f"SELECT * FROM {table}" for table in (*TABLES, "active_sessions")},  # noqa: S608
    **{f"empty {table}": f"DELETE FROM {table}" for table in TABLES},  # noqa: S608
    **{f"truncate {table}": f"TRUNCATE {table}" for table in TABLES},
    **{f"lock {table}": f"LOCK TABLE {table} IN EXCLUSIVE MODE" for table in TABLES},
    "write a session": "UPDATE sessions SET state = '{}'",
    "add a session": "INSERT INTO sessions (session_id, player_id, encounter, state, started_at)"
    " VALUES ('b', 'p', '{}', '{}', now())",
    "write the ledger": "UPDATE session_ledger SET revision = 2^53 - 1",
    "add to the ledger": "INSERT INTO session_ledger (session_id, revision, event_id, outcome)"
    " VALUES ('b', 1, '00000000-0000-0000-0000-000000000001', 'stored')",
    "add an erasure": "INSERT INTO session_erasures (player_digest, revision) VALUES ('a', 1)",
    "add to the totals": "INSERT INTO session_totals (sessions, completed, seconds) VALUES (1, 0, 0)",
    "add a migration": "INSERT INTO session_store_migrations (version, name) VALUES (99, 'mine')",
    "apply events": "SELECT apply_session_events('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "apply deletes": "SELECT delete_sessions('{}', '{}', '{}', '{}')",
    "mark an erasure": "SELECT mark_erasure('player', 1)",
    "ask what an erasure removed": "SELECT removed_since_erasure('player')",
    "delete tombstones": "SELECT delete_tombstones('{}', 1)",
    "ask for statistics": "SELECT * FROM get_session_stats()",
    "drop a table": "DROP TABLE session_ledger",
    "add a column": "ALTER TABLE sessions ADD COLUMN mine text",
    "switch triggers off": "ALTER TABLE sessions DISABLE TRIGGER ALL",
    "pass triggers by": "SET session_replication_role = replica",
    "replace a function": "CREATE OR REPLACE FUNCTION refuse_lower_revision() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NEW; END'",
    "make a table": "CREATE TABLE mine (a int)",
    "make a temporary table": "CREATE TEMPORARY TABLE mine (a int)",
    "make a schema": "CREATE SCHEMA mine",
    "make a role": "CREATE ROLE mine",
    "become the owner": "SET ROLE session_store_owner",
    "make itself a member of the owner": "GRANT session_store_owner TO CURRENT_USER",
    "run a program": "COPY sessions FROM PROGRAM 'true'",
    "read a file of the server": "SELECT pg_read_file('postgresql.conf')",
    "read passwords": "SELECT * FROM pg_authid",
    "load an extension": "CREATE EXTENSION file_fdw",
    "have the server read its settings": "SELECT pg_reload_conf()",
}
"""One statement for each action to try, with empty tables."""

MAY: Final = {
    WORKER: {
        *("read sessions", "read session_ledger", "read session_totals", "read session_store_migrations"),
        *("apply events", "mark an erasure", "ask what an erasure removed", "ask for statistics"),
    },
    JANITOR: {
        *("read sessions", "read session_ledger", "read session_store_migrations"),
        *("apply deletes", "mark an erasure", "ask what an erasure removed", "delete tombstones"),
    },
    READER: {"read sessions", "read session_totals", "read active_sessions", "ask for statistics"},
}


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a superuser's connection to a database with roles; `become` changes its role."""
    for _ in range(2):  # running the file again harms nothing
        run_file(database_url, SQL / "roles.sql")
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def become(connection: asyncpg.Connection, role: str) -> None:
    """Continue as this role, as after its login."""
    await connection.execute(f"SET SESSION AUTHORIZATION {role}")


@pytest.mark.parametrize("role", LOGINS)
async def test_each_role_may_do_what_it_needs_and_nothing_else(
    connection: asyncpg.Connection, role: str
) -> None:
    await become(connection, role)
    assert {name for name, text in ATTEMPTS.items() if await _is_allowed(connection, text)} == MAY[role]


async def _is_allowed(connection: asyncpg.Connection, text: str) -> bool:
    """Return whether the role has the right to a statement; roll it back, and raise any other error."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(text)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await attempt.rollback()
    return True


async def test_the_worker_applies_events_reads_and_erases(connection: asyncpg.Connection) -> None:
    await become(connection, WORKER)
    assert (await apply_one(connection, WRITE)).outcome == "stored"
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 1
    assert await connection.fetchval("SELECT total_sessions FROM get_session_stats()") == 1
    assert await connection.fetchval(statement("mark_erasure"), "player", 7) == 7
    assert (await apply_one(connection, DELETE)).outcome == "deleted"
    assert len(await read_ledger(connection)) == 1


async def test_the_janitor_deletes_old_tombstones_and_no_fresh_ones(connection: asyncpg.Connection) -> None:
    for name in ("old", "fresh"):
        await apply_one(connection, Event(name, 1, UUID(int=2), is_delete=True))
    await connection.execute(
        "UPDATE session_ledger SET deleted_at = now() - interval '9 days' WHERE session_id = 'old'"
    )
    await become(connection, JANITOR)
    gone = await connection.fetch(statement("delete_tombstones"), ["old", "fresh"], 0)  # as if it were 1
    assert [tuple(row) for row in gone] == [("old",)]
    assert set(await read_ledger(connection)) == {"fresh"}


async def test_the_janitor_deletes_by_the_order_law(connection: asyncpg.Connection) -> None:
    await apply_one(connection, WRITE)
    await become(connection, JANITOR)
    told = [
        await connection.fetchrow(
            statement("delete_sessions"), [WRITE.session_id], [revision], [DELETE.id], [1]
        )
        for revision in (2, 1)
    ]
    assert [row and row["outcome"] for row in told] == ["deleted", "superseded"]
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 0


async def test_what_runs_with_the_owners_rights_finds_the_owners_tables_first(
    connection: asyncpg.Connection, layout: str
) -> None:
    definers = await connection.fetch(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = current_schema()::regnamespace"
    )
    assert len(definers) == (9 if layout == "partitioned" else 8)
    for function in definers:
        assert "search_path=public, pg_temp" in function["proconfig"], function["proname"]


async def test_nobody_else_calls_the_functions(connection: asyncpg.Connection) -> None:
    public = "SELECT has_function_privilege('pg_monitor', oid, 'EXECUTE') FROM pg_proc WHERE proname = $1"
    for name in (
        "apply_session_events",
        "delete_sessions",
        "mark_erasure",
        "removed_since_erasure",
        "delete_tombstones",
        "exact_session_stats",
        "get_session_stats",
    ):
        assert await connection.fetchval(public, name) is False, name


@pytest.mark.parametrize("role", LOGINS)
async def test_every_login_has_time_limits(connection: asyncpg.Connection, role: str) -> None:
    settings = await connection.fetchval("SELECT rolconfig FROM pg_roles WHERE rolname = $1", role)
    limited = {setting.partition("=")[0] for setting in settings}
    assert limited >= {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}


async def test_the_owner_owns_and_does_not_log_in(connection: asyncpg.Connection) -> None:
    owned = """SELECT relname FROM pg_class WHERE NOT relispartition
                  AND relowner = 'session_store_owner'::regrole AND relkind IN ('r', 'p', 'v')"""
    names = {row[0] for row in await connection.fetch(owned)}
    partitions = """SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = oid
                     WHERE inhparent = 'sessions'::regclass AND relowner <> 'session_store_owner'::regrole"""
    assert await connection.fetch(partitions) == []
    assert names == {*TABLES, "active_sessions"}
    others = (
        "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
        " AND proowner <> 'session_store_owner'::regrole"
    )
    assert await connection.fetch(others) == []
    login = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'session_store_owner'"
    assert await connection.fetchval(login) is False
