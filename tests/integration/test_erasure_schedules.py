"""Erasures and events at the same time: in no schedule does a write before the erasure survive."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import pytest

from tests.support.events.erasing import erase, player_of
from tests.support.events.model import Entry, Event, judge
from tests.support.events.schedules import INSTALL_GATE, Call, Erasure, Stage, every_schedule
from tests.support.events.session_events import apply, content_of, read_contents
from tests.support.servers.layouts import on_both_layouts
from worker.store.storage import Storage

CALLS: dict[str, Sequence[Call]] = {
    "two sessions": [
        (Event("a", 3, UUID(int=7)),),
        (Event("a", 4, UUID(int=7)), Event("b", 2, UUID(int=7))),
        Erasure(player_of(UUID(int=7)), 5),
    ],
    "handed over": [
        (Event("a", 3, UUID(int=7)),),
        (Event("a", 4, UUID(int=8)),),
        Erasure(player_of(UUID(int=7)), 5),
    ],
    "comes back": [
        (Event("a", 3, UUID(int=7)),),
        (Event("a", 6, UUID(int=7)),),
        Erasure(player_of(UUID(int=7)), 5),
    ],
}


@on_both_layouts
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
async def test_no_schedule_lets_a_write_of_before_survive(
    database_url: str, storage: Storage, connection: asyncpg.Connection, calls: Sequence[Call]
) -> None:
    await connection.execute(INSTALL_GATE)
    player = player_of(UUID(int=7))
    async with AsyncExitStack() as stack:
        connections = [await asyncpg.connect(database_url) for _ in calls]
        for each in connections:
            stack.push_async_callback(each.close)
        played = 0
        async for _ in every_schedule(Stage(connection, connections), calls):
            await connection.execute("SELECT pg_advisory_unlock_all()")
            assert (await erase(storage, player, 5)).remaining == 0
            assert await read_contents(connection) == expected_after(calls)
            await connection.execute(
                "DELETE FROM sessions; DELETE FROM session_ledger; DELETE FROM session_erasures"
            )
            played += 1
    assert played >= 20


def expected_after(calls: Sequence[Call]) -> dict[str, tuple[object, ...]]:
    """Return the stored content after all events, where the player's events up to revision 5 are deletes."""
    ledger: dict[str, Entry] = {}
    contents: dict[str, tuple[object, ...]] = {}
    for event in sorted(event for call in calls if not isinstance(call, Erasure) for event in call):
        gone = event.id == UUID(int=7) and event.revision <= 5
        _, entry = judge(ledger.get(event.session_id), event._replace(is_delete=gone))
        assert entry is not None
        ledger[event.session_id] = entry
        contents.pop(event.session_id, None)
        if not gone:
            contents[event.session_id] = content_of(event)
    return contents


async def test_writers_and_erasures_at_once_leave_nothing(
    database_url: str, storage: Storage, connection: asyncpg.Connection
) -> None:
    player = UUID(int=7)
    async with AsyncExitStack() as stack:
        writers = [await asyncpg.connect(database_url) for _ in range(3)]
        for each in writers:
            stack.push_async_callback(each.close)

        async def write(writer: asyncpg.Connection, revision: int) -> None:
            for turn in range(20):
                await apply(writer, [Event(f"s{turn}-{n}", revision, player) for n in range(5)])

        work = [write(each, revision) for revision, each in enumerate(writers, 1)]
        await asyncio.gather(*work, *(erase(storage, player_of(player), 10) for _ in range(2)))
    assert await read_contents(connection) == {}
