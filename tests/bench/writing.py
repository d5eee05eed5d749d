"""Batches of writes straight to the database, as a worker's writer sends them, and their rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from time import monotonic
from typing import Final
from uuid import uuid4

from worker.store.buckets import bucket_of
from worker.store.pgbouncer import Pooler
from worker.store.pool import TAKES_WRITES, PoolOptions, open_pool
from worker.store.rows import EventRow
from worker.store.writer import CitusEventWriter, EventWriter

ENCOUNTER: Final = b'{"difficulty": "easy", "pad": "' + b"x" * 1200 + b'"}'


@asynccontextmanager
async def writing(url: str, *, citus: bool = False, pooler: Pooler = "none") -> AsyncIterator[EventWriter]:
    """Yield a writer like a worker's."""
    pool = await open_pool(
        PoolOptions(
            dsn=lambda: url,
            name="write",
            size=2,
            connect_timeout=10,
            command_timeout=60,
            target=TAKES_WRITES,
            settings={},
            pooler=pooler,
        )
    )
    yield CitusEventWriter(pool) if citus else EventWriter(pool)
    await pool.close()


def batch(number: int, bucket: int | None = None) -> list[EventRow]:
    """Return writes of new sessions, of any buckets or of one, sorted as a worker sorts them."""
    ids = (f"sess_{uuid4().hex}" for _ in count())
    chosen = (each for each in ids if bucket is None or bucket_of(each) == bucket)
    started = "2025-11-07T10:30:00Z"
    rows = [
        EventRow(next(chosen), 1, uuid4(), None, False, "player_1", ENCOUNTER, b"{}", None, started)
        for _ in range(number)
    ]
    return sorted(rows)


async def rate(writer: EventWriter, batches: list[list[EventRow]]) -> float:
    """Return the events stored a second, two batches at a time, as the median of the pairs."""

    async def store(events: list[EventRow]) -> float:
        begun = monotonic()
        applied = await writer.apply([events])
        assert {each.outcome.value for each in applied[0].values()} == {"stored"}
        return len(events) / (monotonic() - begun)

    rates = [await asyncio.gather(*map(store, batches[at : at + 2])) for at in range(0, len(batches), 2)]
    return median(map(sum, rates))
