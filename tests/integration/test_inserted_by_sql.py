"""A session that SQL inserts is in the ledger at once, like a session that an event stored."""

from uuid import UUID

import asyncpg
import pytest

from tests.support.events.model import Entry, Event
from tests.support.events.session_events import Answer, apply, apply_one, read_ledger
from tests.support.servers.layouts import on_both_layouts

pytestmark = on_both_layouts

INSERT = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at, revision)
    VALUES ('s', 'p', '{}', '{}', '2025-12-07T10:30:00Z', $1)
"""
ADOPTED = UUID("03c7c0ac-e395-d801-82db-07ae2c30f034")  # md5 of 's'
STORED = Entry(5, ADOPTED, "stored")


def delete(revision: int, expected: int | None = None) -> Event:
    return Event("s", revision, UUID(int=revision), is_delete=True, expected=expected)


async def test_a_delete_finds_it(connection: asyncpg.Connection) -> None:
    await connection.execute(INSERT, 5)
    assert await apply_one(connection, delete(6)) == Answer("deleted", STORED)
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 0


@pytest.mark.parametrize(("expected", "outcome"), [(5, "stored"), (4, "conflict"), (0, "conflict")])
async def test_a_write_can_expect_its_revision(
    connection: asyncpg.Connection, expected: int, outcome: str
) -> None:
    await connection.execute(INSERT, 5)
    write = Event("s", 6, UUID(int=6), expected=expected)
    assert await apply_one(connection, write) == Answer(outcome, STORED)


async def test_an_older_event_does_not_replace_it(connection: asyncpg.Connection) -> None:
    await connection.execute(INSERT, 5)
    assert await apply_one(connection, delete(4)) == Answer("superseded", STORED)


async def test_one_that_was_deleted_before_is_back(connection: asyncpg.Connection) -> None:
    await apply_one(connection, delete(4))
    await connection.execute(INSERT, 5)
    assert await read_ledger(connection) == {"s": STORED}
    assert await apply_one(connection, delete(6, expected=5)) == Answer("deleted", STORED)


async def test_one_below_its_tombstone_leaves_the_ledger(connection: asyncpg.Connection) -> None:
    await apply_one(connection, delete(6))
    await connection.execute(INSERT, 5)
    assert (await read_ledger(connection))["s"].outcome == "absent"


async def test_an_update_by_sql_changes_no_entry(connection: asyncpg.Connection) -> None:
    await connection.execute(INSERT, 5)
    upsert = f"{INSERT} ON CONFLICT (session_id) DO UPDATE SET state = '{{}}'"
    if await connection.fetchval("SELECT relkind = 'p' FROM pg_class WHERE oid = 'sessions'::regclass"):
        upsert = upsert.replace("(session_id) DO", "(session_id, started_at) DO")
    await connection.execute(upsert, 9)
    assert await read_ledger(connection) == {"s": STORED}


async def test_events_insert_their_entries_themselves(connection: asyncpg.Connection) -> None:
    write = Event("s", 5, UUID(int=5))
    assert await apply(connection, [write]) == {write: Answer("stored", None)}
    assert await read_ledger(connection) == {"s": Entry(5, UUID(int=5), "stored")}
