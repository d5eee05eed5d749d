"""A revision never decreases, whatever the writer: the database's own guard behind the order law."""

from uuid import UUID

import asyncpg
import pytest

from tests.support.events.model import Event
from tests.support.events.session_events import apply_one
from tests.support.servers.layouts import on_layout

BY_PLUGIN = (
    "INSERT INTO sessions (session_id, player_id, encounter, state, started_at)"
    " VALUES ('a', 'p', '{}', '{}', now()) RETURNING revision"
)
UPSERT = (
    "INSERT INTO sessions (session_id, player_id, encounter, state, started_at, revision)"
    " VALUES ('a', 'p', '{}', '{}', now(), 1)"
    " ON CONFLICT (session_id) DO UPDATE SET revision = excluded.revision"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET revision = revision - 1",
        "UPDATE session_ledger SET revision = revision - 1",
        "UPDATE session_ledger SET event_id = '00000000-0000-0000-0000-000000000001'",
        "UPDATE session_erasures SET revision = revision - 1",
    ],
)
async def test_a_superuser_does_not_make_a_revision_lower(
    connection: asyncpg.Connection, statement: str
) -> None:
    await assert_refused(connection, statement)


@on_layout("plain")  # partitions have no such key
async def test_an_upsert_does_not_make_a_revision_lower(connection: asyncpg.Connection) -> None:
    await assert_refused(connection, UPSERT)


async def assert_refused(connection: asyncpg.Connection, statement: str) -> None:
    """Assert that the guard refuses a statement that lowers the revision of session `a` or player `p`."""
    await apply_one(connection, Event("a", 7, UUID(int=2)))
    await connection.execute("SELECT mark_erasure('p', 7)")
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await connection.execute(statement)
    assert refusal.value.constraint_name == "revisions_only_rise"


async def test_a_session_that_the_plugin_inserted_gives_way_to_greater_events_alone(
    connection: asyncpg.Connection,
) -> None:
    inserted = await connection.fetchval(BY_PLUGIN)
    assert (await apply_one(connection, Event("a", 7, UUID(int=2)))).outcome == "superseded"
    assert (await apply_one(connection, Event("a", inserted + 1, UUID(int=2)))).outcome == "stored"


async def test_an_event_replaces_what_the_plugin_changed_at_whatever_revision(
    connection: asyncpg.Connection,
) -> None:
    await apply_one(connection, Event("a", 7, UUID(int=2)))
    await connection.execute("UPDATE sessions SET revision = 1000")
    assert (await apply_one(connection, Event("a", 8, UUID(int=2)))).outcome == "stored"
    assert await connection.fetchval("SELECT revision FROM sessions") == 8


async def test_what_does_not_touch_the_revision_is_nobodys_business(connection: asyncpg.Connection) -> None:
    await apply_one(connection, Event("a", 7, UUID(int=2)))
    assert await connection.execute("UPDATE sessions SET state = '{\"a\": 1}'") == "UPDATE 1"
