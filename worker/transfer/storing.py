"""Imports events straight into the database."""

from collections.abc import Sequence
from typing import Protocol

from worker.errors import StorageUnavailable
from worker.ingest.bisection import bisect_refused
from worker.ingest.fold import SessionEvents, Verdicts, group_by_session, resolve, rounds_of
from worker.retry import retry, within
from worker.store.rows import EventRow
from worker.store.writer import EventWriter


class Sink(Protocol):
    """Stores the events of a chunk; raises UnavailableError to stop the import."""

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict once it is committed."""


class DatabaseSink:
    """Stores events as the write path does; waits up to `patience` seconds for a database that is away."""

    def __init__(self, writer: EventWriter, patience: float) -> None:
        self._writer = writer
        self._patience = patience

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, committed."""
        groups = group_by_session(events)
        return await bisect_refused(groups, self._persist) if groups else {}

    async def _persist(self, groups: Sequence[SessionEvents]) -> Verdicts:
        rounds = rounds_of(groups)
        applied = await retry(lambda: self._writer.apply(rounds), StorageUnavailable, within(self._patience))
        return resolve(groups, applied)
