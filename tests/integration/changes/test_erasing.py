"""The changes that are published for an erasure."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from uuid import UUID

import pytest

from contracts.client import SessionStore
from tests.integration.test_client import session_of
from tests.support.broker.following import take
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.servers.storages import storage_at
from worker.errors import BrokerUnavailable
from worker.ingest.erasing import Eraser
from worker.store.rows import EventRow


async def test_an_erased_players_sessions_are_told_as_deleted(store: SessionStore) -> None:
    await store.write(session_of(1), revision=10)
    await store.write(session_of(4), revision=11)
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.erase_player("player_1")
        told = await take(changes, 2)
    assert {(change.type, change.subject, change.data.revision) for change in told} == {
        ("session.deleted", "sess_1", 10),
        ("session.deleted", "sess_4", 11),
    }
    assert len({change.id for change in told}) == 2


async def test_a_session_that_a_late_write_of_an_erased_player_removes_is_told_as_deleted(
    store: SessionStore,
) -> None:
    await store.erase_player("player_1", revision=100)
    await store.write(session_of(1, playerId="somebody"), revision=5)
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.write(session_of(1), revision=7)
        (told,) = await take(changes, 1)
    assert await store.read("sess_1") is None
    assert (told.type, told.subject, told.data.revision) == ("session.deleted", "sess_1", 7)


class Told:
    """A publisher that takes announced deletes, and refuses them after this many calls."""

    def __init__(self, calls: int) -> None:
        self.names: list[str] = []
        self._left = calls

    async def announce(self, deletes: Sequence[EventRow]) -> None:
        self._left -= 1
        if self._left < 0:
            raise BrokerUnavailable("the test has had enough")
        self.names.extend(delete.session_id for delete in deletes)


@pytest.mark.parametrize("calls", [0, 1])
async def test_what_an_erasure_removed_before_it_was_cut_off_is_told_when_it_is_done_again(
    database_url: str, calls: int
) -> None:
    names = {f"s{number:03}" for number in range(700)}  # two portions
    async with storage_at(database_url) as storage:
        await storage.writer.apply([[write_row(name) for name in sorted(names)]])
        cut_off = Told(calls)
        with pytest.raises(BrokerUnavailable):
            await Eraser(storage.erasures, storage.writer, cut_off.announce).erase("player", 10)
        again = Told(0)
        with pytest.raises(BrokerUnavailable):  # cut off before the next marker
            await Eraser(storage.erasures, storage.writer, again.announce).erase("player", 10, again=True)
        last = Told(9)
        erased = await Eraser(storage.erasures, storage.writer, last.announce).erase("player", 10, again=True)
    assert erased.remaining == 0
    assert names <= {*cut_off.names, *last.names}
    assert len(cut_off.names) == 500 * calls


def write_row(name: str) -> EventRow:
    started = "2025-11-07T10:30:00+00:00"
    return EventRow(name, 5, UUID(int=5), None, False, "player", b"{}", b"{}", None, started, None)


async def test_the_command_tells_of_what_it_removes_where_the_feed_is_on(
    store: SessionStore, installation: Variables
) -> None:
    await store.write(session_of(1))
    await store.write(session_of(4))
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        words = ("erase", "--player", "player_1", "--yes")
        done = await asyncio.to_thread(run_command, *words, variables=installation)
        assert done.returncode == 0, done.stderr
        assert {(change.type, change.subject) for change in await take(changes, 2)} == {
            ("session.deleted", "sess_1"),
            ("session.deleted", "sess_4"),
        }
