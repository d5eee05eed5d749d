"""Nothing is left of an erased player, whatever the order of events."""

from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.changes import LAST
from tests.support.events.erasing import erase, player_of
from tests.support.events.model import Entry, Event
from tests.support.events.schedules import Erasure
from tests.support.events.session_events import apply, apply_one, read_contents, read_ledger
from tests.support.examples import times_on_one_database
from tests.support.servers.layouts import on_both_layouts
from worker.errors import StorageUnavailable
from worker.ingest.fold import group_by_session, resolve, rounds_of
from worker.store.erasures import LOCK_TIMEOUT
from worker.store.rows import EventRow
from worker.store.storage import Storage

ids = st.integers(1, 3).map(lambda n: UUID(int=n))  # each id also stands for a player, see `content_of`
plain_events = st.builds(Event, st.sampled_from("ab"), st.integers(1, 6), ids, st.booleans(), st.none())
erasures = st.builds(Erasure, ids.map(lambda each: player_of(each)), st.integers(1, 6))


@on_both_layouts
@given(st.lists(plain_events | erasures, max_size=8), st.data())
@times_on_one_database(0.6)
async def test_erasures_and_events_in_any_order_end_in_the_same_state(
    storage: Storage, connection: asyncpg.Connection, given_steps: list[Event | Erasure], data: st.DataObject
) -> None:
    # No engine publishes two events of one session and revision.
    steps = list({step[:2] if isinstance(step, Event) else step: step for step in given_steps}.values())
    states = []
    for order in (steps, data.draw(st.permutations(steps))):
        await connection.execute(
            "DELETE FROM sessions; DELETE FROM session_ledger; DELETE FROM session_erasures"
        )
        for step in order:
            if isinstance(step, Erasure):
                assert (await erase(storage, *step)).remaining == 0
            else:
                await apply_one(connection, step)
        ledger = {
            name: (each[0], each[2] == "stored") for name, each in (await read_ledger(connection)).items()
        }
        states.append((ledger, await read_contents(connection)))
    assert states[0] == states[1]
    stored = {(values[1], values[0]) for values in states[0][1].values()}
    assert not [
        step
        for step in steps
        if isinstance(step, Erasure)
        for player, revision in stored
        if player == step.player_id and isinstance(revision, int) and revision <= step.revision
    ]


@given(st.lists(plain_events, min_size=1, max_size=6), st.lists(erasures, min_size=1, max_size=2))
@times_on_one_database(0.8)
async def test_a_folded_batch_is_told_what_its_events_one_by_one_are(
    storage: Storage, connection: asyncpg.Connection, batch: list[Event], erased: list[Erasure]
) -> None:
    batch = sorted({event[:2]: event for event in batch}.values())
    told = []
    for groups in ([batch], [[event] for event in batch]):
        await connection.execute(
            "DELETE FROM sessions; DELETE FROM session_ledger; DELETE FROM session_erasures"
        )
        for each in erased:
            await erase(storage, *each)
        verdicts = {}
        for events in groups:
            sessions = group_by_session(map(row_of, events))
            verdicts.update(resolve(sessions, await storage.writer.apply(rounds_of(sessions))))
        told.append((verdicts, await read_contents(connection)))
    assert told[0] == told[1]


def row_of(event: Event) -> EventRow:
    """Return the event's row, as the worker passes it to the database."""
    head = EventRow(event.session_id, event.revision, event.id, event.expected, event.is_delete)
    if event.is_delete:
        return head
    return head._replace(
        player_id=player_of(event.id), encounter=b"{}", state=b"{}", started_at="2025-11-07T10:30:00+00:00"
    )


async def test_late_writes_are_superseded_and_newer_ones_stored(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    player, other = UUID(int=7), UUID(int=8)
    await apply(connection, [Event("a", 5, player), Event("b", 6, player), Event("c", 5, other)])
    told = await erase(storage, player_of(player), 10)
    assert (told.revision, told.sessions, told.remaining, told.later) == (10, 2, 0, 0)

    found = Entry(10, LAST, "absent")
    for late in (Event("a", 5, player), Event("a", 4, player), Event("new", 10, player)):
        assert await apply_one(connection, late) == ("superseded", found)
    assert (await apply_one(connection, Event("a", 3, other))).outcome == "superseded"
    assert (await apply_one(connection, Event("a", 11, player, expected=5))).outcome == "conflict"
    assert await apply_one(connection, Event("a", 11, player)) == ("stored", found)
    assert await apply_one(connection, Event("a", 9, player)) == ("superseded", Entry(11, player, "stored"))
    assert set(await read_contents(connection)) == {"a", "c"}
    statistics = await connection.fetchval("SELECT total_sessions FROM get_session_stats()")
    assert statistics == 2

    again = await erase(storage, player_of(player), 4)
    assert (again.revision, again.sessions, again.remaining, again.later) == (10, 0, 0, 1)


async def test_many_sessions_go_in_portions_and_the_marker_holds_no_id(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    player = UUID(int=7)
    await apply(connection, [Event(f"s{number:04}", 5, player) for number in range(1_100)])
    assert (await erase(storage, player_of(player), 5)).sessions == 1_100
    marker = await connection.fetchrow("SELECT * FROM session_erasures")
    assert marker is not None
    assert player_of(player) not in str(dict(marker))


@on_both_layouts
async def test_rows_that_the_storage_plugin_wrote_go_too(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    await apply(connection, [Event("deleted", 9, UUID(int=1), is_delete=True)])
    await connection.execute(
        """INSERT INTO sessions (session_id, player_id, encounter, state, started_at, revision)
           SELECT name, 'p', '{}', '{}', now(), 5 FROM unnest(ARRAY['deleted', 'unknown']) AS name"""
    )
    told = await erase(storage, "p", 10)
    assert (told.sessions, told.remaining) == (2, 0)


async def test_an_erasure_waits_a_while_for_those_at_work_and_can_be_asked_again(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    player = UUID(int=7)
    transaction = connection.transaction()
    await transaction.start()
    await apply_one(connection, Event("a", 5, player))
    with pytest.raises(StorageUnavailable, match="lock not available"):
        await erase(storage, player_of(player), 10)
    await transaction.commit()
    assert (await erase(storage, player_of(player), 10)).sessions == 1


async def test_an_erasure_waits_until_an_autovacuum_in_its_way_is_ended(
    connection: asyncpg.Connection,
) -> None:
    async with connection.transaction():
        await connection.execute(LOCK_TIMEOUT)
        limits = "current_setting('lock_timeout')::interval > current_setting('deadlock_timeout')::interval"
        assert await connection.fetchval(f"SELECT {limits}")  # PostgreSQL ends it after the second of them


async def test_an_erasure_waits_for_no_backup(storage: Storage, connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE session_erasures, sessions, session_ledger IN ACCESS SHARE MODE")
        assert (await erase(storage, "p", 10)).remaining == 0
