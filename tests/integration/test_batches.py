"""A batch through the worker's own code and the real database, against its events applied one at a time."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events.batches import batches, consistent, decoded, row_of, verdicts_one_by_one
from tests.support.events.model import Entry, Event
from tests.support.examples import times_on_one_database
from worker.errors import RowRefused
from worker.ingest.deliveries import settlements_of
from worker.ingest.fold import group_by_session, resolve, rounds_of
from worker.outcome import Verdict
from worker.store.pool import TAKES_WRITES, Pool, PoolOptions, open_pool
from worker.store.writer import EventWriter

Rows = list[tuple[object, ...]]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    settings = {"synchronous_commit": "off"}
    pool = await open_pool(
        PoolOptions(
            dsn=lambda: database_url,
            name="test",
            size=2,
            connect_timeout=10,
            command_timeout=30,
            target=TAKES_WRITES,
            settings=settings,
        )
    )
    yield pool
    await pool.close()


async def empty(pool: Pool) -> None:
    await pool.execute("DELETE FROM sessions; DELETE FROM session_ledger")


async def apply(pool: Pool, batch: Sequence[Event]) -> list[Verdict]:
    """Return each event's verdict, reached by the steps of the write path."""
    groups = group_by_session(map(row_of, batch))
    results = await EventWriter(pool).apply(rounds_of(groups)) if groups else []
    return [each.verdict for each in settlements_of(map(decoded, batch), resolve(groups, results))]


async def apply_singly(pool: Pool, batch: Sequence[Event]) -> list[Verdict]:
    """Return each event's verdict from applying it alone, in the order of the law."""
    verdicts: dict[int, Verdict] = {}
    for place, event in sorted(enumerate(batch), key=lambda numbered: numbered[1][:3]):
        (verdicts[place],) = await apply(pool, [event])
    return [verdicts[place] for place in range(len(batch))]


async def read_tables(pool: Pool) -> tuple[Rows, Rows]:
    """Return both tables without the times of storing and the entries that were replaced."""
    sessions = await pool.fetch(
        "SELECT session_id, player_id, encounter, state, extra, started_at, completed_at, revision"
        " FROM sessions ORDER BY session_id"
    )
    ledger = await pool.fetch(
        "SELECT session_id, revision, event_id, outcome, deleted_at IS NULL, expected_revision"
        " FROM session_ledger ORDER BY session_id"
    )
    return [tuple(row) for row in sessions], [tuple(row) for row in ledger]


@given(st.lists(batches, min_size=1, max_size=3))
@times_on_one_database(1)
async def test_batches_end_as_their_events_one_at_a_time(
    pool: Pool, given_batches: list[list[Event]]
) -> None:
    given_batches = consistent_batches(given_batches)
    await empty(pool)
    singly = [await apply_singly(pool, batch) for batch in given_batches]
    tables = await read_tables(pool)
    await empty(pool)
    assert [await apply(pool, batch) for batch in given_batches] == singly
    assert await read_tables(pool) == tables
    ledger: dict[str, Entry] = {}
    assert [verdicts_one_by_one(batch, ledger) for batch in given_batches] == singly


async def test_a_round_the_database_refuses_takes_the_rounds_before_it_along(pool: Pool) -> None:
    accepted, refused = Event("a", 1, UUID(int=1)), Event("z" * 256, 1, UUID(int=1))
    with pytest.raises(RowRefused, match="22001"):
        await EventWriter(pool).apply([[row_of(accepted)], [row_of(refused)]])
    assert await read_tables(pool) == ([], [])


def consistent_batches(given_batches: Sequence[Sequence[Event]]) -> list[list[Event]]:
    """Return the batches where events with one key are one event, repeated."""
    rest = consistent([event for batch in given_batches for event in batch])
    return [[rest.pop(0) for _ in batch] for batch in given_batches]
