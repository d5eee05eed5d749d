"""Removes what is old, in small batches, each a transaction of its own.

A session goes by a delete of the contract that expects the revision at which it was old: one that was written since
stays. The delete has the session's own revision, and the greatest id there is. So whatever came before stays out, as
after any delete, and any newer write brings the session back, whatever an engine takes for revisions.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Literal

import structlog

from contracts.changes import LAST
from contracts.outcomes import Outcome
from worker.store.expired import Expired, ExpiredReader, Retention
from worker.store.rows import EventRow
from worker.transfer.archiving import Archive
from worker.transfer.storing import Sink

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ages:
    """In days, how old what goes is; None where it stays for ever."""

    completed: int | None
    abandoned: int | None
    tombstones: int | None


@dataclass(slots=True)
class Removed:
    """How many are gone; `changed` were written or deleted meanwhile, and stay."""

    completed: int = 0
    abandoned: int = 0
    tombstones: int = 0
    changed: int = 0


class Retainer:
    """Removes what is older than `ages`; `removed` follows. Without a sink it only counts.

    With an archive no session goes before a file on the disk has it as it was.
    """

    def __init__(
        self, retention: Retention, sink: Sink | None, removed: Removed, archive: Archive | None = None
    ) -> None:
        self._retention = retention
        self._sink = sink
        self._removed = removed
        self._archive = archive

    async def run(self, ages: Ages) -> None:
        """Return once everything is gone that was old at the beginning.

        Raises Overloaded where another process does it, StorageUnavailable when the database goes away,
        SessionStoreError when the archive cannot be written.
        """
        async with self._retention.lock() as expired:
            try:
                await self._remove_expired(expired, ages)
            finally:
                told = "retention.counted" if self._sink is None else "retention.removed"
                log.info(told, **asdict(self._removed))

    async def _remove_expired(self, expired: ExpiredReader, ages: Ages) -> None:
        if ages.completed is not None:
            await self._remove_all("completed", expired.completed(ages.completed))
        if ages.abandoned is not None:
            await self._remove_all("abandoned", expired.abandoned(ages.abandoned))
        if ages.tombstones is not None:
            await self._delete_tombstones(expired.tombstones(ages.tombstones), ages.tombstones)

    async def _remove_all(
        self, kind: Literal["completed", "abandoned"], portions: AsyncGenerator[list[Expired], None]
    ) -> None:
        if self._archive and self._sink:
            portions = self._archive.keep(portions)
        async with aclosing(portions):
            async for portion in portions:
                self._count(kind, portion, await self._remove(portion))

    async def _remove(self, portion: Sequence[Expired]) -> int:
        if self._sink is None:
            return len(portion)
        deletes = [EventRow(name, revision, LAST, revision, True) for name, revision in portion]
        verdicts = await self._sink.take(deletes)
        return sum(verdict.outcome is Outcome.DELETED for verdict in verdicts.values())

    async def _delete_tombstones(self, portions: AsyncGenerator[list[Expired], None], days: int) -> None:
        async with aclosing(portions):
            async for portion in portions:
                names = [expired.session_id for expired in portion]
                gone = await self._retention.delete_tombstones(names, days) if self._sink else len(names)
                self._count("tombstones", portion, gone)

    def _count(
        self, kind: Literal["completed", "abandoned", "tombstones"], portion: Sequence[Expired], gone: int
    ) -> None:
        setattr(self._removed, kind, getattr(self._removed, kind) + gone)
        self._removed.changed += len(portion) - gone
