"""Old sessions and tombstones are removed for good, and nothing else."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.changes import LAST
from contracts.outcomes import Outcome
from tests.support.programs.command import run_command
from tests.support.programs.watched_worker import until_waiting
from worker.errors import Overloaded
from worker.ingest.erasing import Eraser
from worker.ingest.fold import Verdicts
from worker.store.rows import EventRow
from worker.store.storage import Storage
from worker.transfer.retaining import Ages, RemovalCounts, Retainer
from worker.transfer.storing import DatabaseSink

NOTHING = Ages(None, None, None)


def write(
    session_id: str, revision: int = 7, completed: int | None = None, event_id: UUID | None = None
) -> EventRow:
    """Return the write of a session that was completed this many days ago."""
    now = datetime.now(UTC)
    ended = (now - timedelta(days=completed)).isoformat() if completed is not None else None
    started = (now - timedelta(days=(completed or 0) + 1)).isoformat()
    event_id = event_id or uuid4()
    return EventRow(session_id, revision, event_id, None, False, "p", b"{}", b"{}", None, started, ended)


async def store(storage: Storage, *events: EventRow) -> list[Outcome]:
    """Store events one after the other, and return their outcomes."""
    return [(await storage.writer.apply([[event]]))[0][event.session_id].outcome for event in events]


class LateSink(DatabaseSink):
    """A sink that writes a session once more just before it is removed."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.writer, 5)
        self._storage = storage

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        await store(self._storage, write("woken", 8))
        return await super().take(events)


async def retain(storage: Storage, ages: Ages) -> RemovalCounts:
    return await Retainer(storage.retention, DatabaseSink(storage.writer, 5)).run(ages)


async def touched_ago(connection: asyncpg.Connection, days: int, session_id: str) -> None:
    """Date the last event of a session back by this many days."""
    await connection.execute(
        "UPDATE sessions SET updated_at = now() - make_interval(days => $1) WHERE session_id = $2",
        days,
        session_id,
    )


async def names(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch("SELECT session_id FROM sessions ORDER BY session_id")
    return [row[0] for row in rows]


async def test_old_sessions_go_and_the_statistics_stay_exact(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    await store(
        storage, write("done", completed=91), write("fresh", completed=89), write("left"), write("open")
    )
    await touched_ago(connection, 31, "left")
    await touched_ago(connection, 29, "open")
    assert await retain(storage, Ages(90, None, None)) == RemovalCounts(completed=1)
    assert await retain(storage, Ages(None, 30, None)) == RemovalCounts(abandoned=1)
    assert await names(connection) == ["fresh", "open"]
    totals = await connection.fetchrow("SELECT total_sessions, completed_sessions FROM get_session_stats()")
    assert totals is not None
    assert tuple(totals) == (2, 1)
    assert await retain(storage, Ages(90, 30, 1)) == RemovalCounts()


async def test_many_go_in_several_batches(storage: Storage, connection: asyncpg.Connection) -> None:
    events = [write(f"s{number:04}", completed=91) for number in range(1_100)]
    await storage.writer.apply([events])
    assert await retain(storage, Ages(90, None, None)) == RemovalCounts(completed=1_100)
    assert await names(connection) == []


async def test_a_late_event_does_not_bring_back_what_went_and_a_newer_one_does(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    last = write("done", 7, completed=91)
    await store(storage, write("done", 5, completed=91), last)
    await retain(storage, Ages(90, None, None))
    late = [last, write("done", 6), write("done", 7, event_id=UUID("f" * 31 + "e"))]
    assert await store(storage, *late) == [Outcome.SUPERSEDED] * 3
    assert await names(connection) == []
    assert await store(storage, write("done", 8)) == [Outcome.STORED]
    assert await names(connection) == ["done"]


async def test_a_session_that_is_written_meanwhile_stays(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    await store(storage, write("done", completed=91), write("woken", completed=91))
    removed = await Retainer(storage.retention, LateSink(storage)).run(Ages(90, None, None))
    assert removed == RemovalCounts(completed=1, changed=1)
    assert await names(connection) == ["woken"]


async def test_tombstones_go_when_they_are_old_and_their_sessions_were_not_written_since(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    for name in ("old", "young", "back"):
        await store(storage, write(name), EventRow(name, 8, uuid4(), None, True))
    await connection.execute("UPDATE session_ledger SET deleted_at = now() - interval '400 days'")
    await connection.execute("UPDATE session_ledger SET deleted_at = now() WHERE session_id = 'young'")
    await store(storage, write("back", 9))
    assert await retain(storage, Ages(None, None, 365)) == RemovalCounts(tombstones=1)
    known = await connection.fetch("SELECT session_id FROM session_ledger ORDER BY session_id")
    assert [row[0] for row in known] == ["back", "young"]
    assert await storage.retention.delete_tombstones(["young", "back"], 365) == 0


async def test_an_event_that_expects_a_tombstone_that_is_just_going_is_a_conflict(
    storage: Storage, connection: asyncpg.Connection
) -> None:
    await store(storage, write("old", 5), EventRow("old", 6, uuid4(), None, True))
    await connection.execute("UPDATE session_ledger SET deleted_at = now() - interval '400 days'")
    expecting = write("old", 9)._replace(expected_revision=5)
    async with asyncio.TaskGroup() as tasks, connection.transaction():
        assert len(await connection.fetch("SELECT delete_tombstones(ARRAY['old'], 365)")) == 1
        storing = tasks.create_task(DatabaseSink(storage.writer, 30).take([expecting]))
        await until_waiting(connection, 1)
    assert [verdict.outcome for verdict in storing.result().values()] == [Outcome.CONFLICT]
    assert await names(connection) == []


async def test_a_session_of_the_greatest_id_stays_and_nobody_waits_for_it(storage: Storage) -> None:
    await store(storage, write("done", completed=91, event_id=LAST))  # as stored by earlier releases
    assert await retain(storage, Ages(90, None, None)) == RemovalCounts(changed=1)
    erased = await Eraser(storage.erasures, storage.writer).erase("p", 7)
    assert (erased.sessions, erased.remaining) == (0, 1)


async def test_what_removes_never_writes(storage: Storage, connection: asyncpg.Connection) -> None:
    with pytest.raises(AssertionError, match="a write among deletes"):
        await storage.deleter.apply([[write("a"), EventRow("b", 8, uuid4(), None, True)]])
    assert await names(connection) == []


async def test_only_one_removes_at_a_time(storage: Storage) -> None:
    async with storage.retention.lock():
        with pytest.raises(Overloaded, match="one at a time"):
            await retain(storage, NOTHING)
    assert await retain(storage, NOTHING) == RemovalCounts()


async def test_a_dry_run_counts_and_changes_nothing(
    storage: Storage, connection: asyncpg.Connection, database_url: str
) -> None:
    await store(storage, write("done", completed=91), write("open"))
    words = ("retain", "--completed-days", "90", "--abandoned-days", "30", "--tombstone-days", "365")
    variables = {"DATABASE_URL": database_url}
    told = run_command(*words, "--dry-run", variables=variables)
    assert (told.returncode, told.stdout.split()[4:6]) == (0, ["completed", "1"])
    assert await names(connection) == ["done", "open"]
    done = run_command(*words, variables=variables)
    assert (done.returncode, "retention.removed" in done.stderr) == (0, True)
    assert await names(connection) == ["open"]


def test_ages_must_be_said() -> None:
    assert run_command("retain", variables={"DATABASE_URL": "postgresql://h/d"}).returncode == 2
