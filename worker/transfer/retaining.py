"""Removes old sessions and tombstones in small batches, each in a transaction of its own.

A session is removed by a delete of the contract that expects the revision at which it was old: a session that was
written since stays. The delete has the session's own revision, and the greatest id there is. So events from before
stay out, as after any delete, and any newer write stores the session again, in any unit of revisions.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass

import structlog

from contracts.changes import LAST
from contracts.outcomes import Outcome
from worker.store.expired import Expired, ExpiredReader, Retention
from worker.store.rows import EventRow
from worker.transfer.archiving import Archive
from worker.transfer.counts import Counts
from worker.transfer.storing import Sink

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ages:
    """Ages in days after which sessions and tombstones are removed; None keeps them."""

    completed: int | None
    abandoned: int | None
    tombstones: int | None


@dataclass(frozen=True, slots=True)
class RemovalCounts(Counts):
    """Numbers of sessions and tombstones removed; `changed` ones were written or deleted meanwhile, and stay."""

    completed: int = 0
    abandoned: int = 0
    tombstones: int = 0
    changed: int = 0


class Retainer:
    """Removes sessions and tombstones beyond an age; without a sink it only counts them.

    With an archive a session is removed only once a file on the disk holds it as it was.
    """

    def __init__(self, retention: Retention, sink: Sink | None, archive: Archive | None = None) -> None:
        self._retention = retention
        self._sink = sink
        self._archive = archive
        self._counts = RemovalCounts()

    async def run(self, ages: Ages) -> RemovalCounts:
        """Return the counts once everything is removed that was old at the beginning.

        Raises Overloaded where another process does it, StorageUnavailable when the database goes away,
        SessionStoreError when the archive cannot be written. The counts so far are logged in any case.
        """
        self._counts = RemovalCounts()
        async with self._retention.lock() as expired:
            try:
                await self._remove_expired(expired, ages)
            finally:
                event = "retention.counted" if self._sink is None else "retention.removed"
                log.info(event, **asdict(self._counts))
        return self._counts

    async def _remove_expired(self, expired: ExpiredReader, ages: Ages) -> None:
        if ages.completed is not None:
            sessions = expired.completed(ages.completed)
            await self._remove_sessions(sessions, lambda removed: RemovalCounts(completed=removed))
        if ages.abandoned is not None:
            sessions = expired.abandoned(ages.abandoned)
            await self._remove_sessions(sessions, lambda removed: RemovalCounts(abandoned=removed))
        if ages.tombstones is not None:
            await self._delete_tombstones(expired.tombstones(ages.tombstones), ages.tombstones)

    async def _remove_sessions(
        self, chunks: AsyncGenerator[list[Expired], None], count: Callable[[int], RemovalCounts]
    ) -> None:
        if self._archive and self._sink:
            chunks = self._archive.archived(chunks)
        async with aclosing(chunks):
            async for chunk in chunks:
                removed = await self._delete(chunk)
                self._counts += count(removed) + RemovalCounts(changed=len(chunk) - removed)

    async def _delete(self, chunk: Sequence[Expired]) -> int:
        if self._sink is None:
            return len(chunk)
        deletes = [
            EventRow(expired.session_id, expired.revision, LAST, expired.revision, True) for expired in chunk
        ]
        verdicts = await self._sink.take(deletes)
        return sum(verdict.outcome is Outcome.DELETED for verdict in verdicts.values())

    async def _delete_tombstones(self, chunks: AsyncGenerator[list[Expired], None], days: int) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                ids = [expired.session_id for expired in chunk]
                removed = await self._retention.delete_tombstones(ids, days) if self._sink else len(ids)
                self._counts += RemovalCounts(tombstones=removed, changed=len(chunk) - removed)
