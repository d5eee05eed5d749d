"""Where an import's events go when they go straight into the database."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from worker.backoff import Backoff
from worker.errors import StorageUnavailable
from worker.ingest.bisection import bisect_refused
from worker.ingest.fold import SessionEvents, Verdicts, group_by_session, resolve, rounds_of
from worker.store.rows import EventRow
from worker.store.writer import EventWriter

LONGEST_REST = 2.0  # between attempts to reach the database, in seconds


class Sink(Protocol):
    """Takes the events of a portion and tells what became of each; raises UnavailableError to stop the import."""

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, once it is committed."""


class DatabaseSink:
    """Stores events as the write path does; a database that is away is waited for, `patience` seconds long."""

    def __init__(self, writer: EventWriter, patience: float) -> None:
        self._writer = writer
        self._patience = patience

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, committed."""
        groups = group_by_session(events)
        return await bisect_refused(groups, self._persist) if groups else {}

    async def _persist(self, groups: Sequence[SessionEvents]) -> Verdicts:
        backoff, started = Backoff(first=0.05, limit=LONGEST_REST), monotonic()
        while True:
            try:
                return resolve(groups, await self._writer.apply(rounds_of(groups)))
            except StorageUnavailable:
                if monotonic() - started > self._patience:
                    raise
            await asyncio.sleep(backoff.next())
