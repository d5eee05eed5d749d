"""Answers reads from a replica where a recent state will do, and from the primary where the replica fails."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from contracts.requests import Filter, QueryOptions
from worker.errors import StorageUnavailable
from worker.store.cursor import CursorCodec
from worker.store.failures import TIMEOUTS
from worker.store.pool import Pool
from worker.store.reader import MIN_SECONDS, Page, SessionReader, Since
from worker.store.records import Json
from worker.store.replica import Replica

Answer = TypeVar("Answer")


class ReplicaFirstReader(SessionReader):
    """Asks the replica first for queries, counts, statistics, and reads that name a revision.

    Reads that name no revision go to the primary, so that an engine reads its confirmed writes.
    """

    def __init__(self, primary: Pool, replica: Replica, cursors: CursorCodec) -> None:
        super().__init__(primary, cursors)
        self._replica = replica
        self._replica_reader = SessionReader(replica.pool, cursors)

    def use_layout(self, *, is_partitioned: bool) -> None:
        """As SessionReader does, for the replica too."""
        super().use_layout(is_partitioned=is_partitioned)
        self._replica_reader.use_layout(is_partitioned=is_partitioned)

    async def read_since(self, session_id: str, revision: int, timeout: float) -> Since:
        """As SessionReader does; the primary is asked at once for a revision that the replica has not applied yet."""
        until = monotonic() + timeout
        if self._replica.is_available:
            try:
                found = await self._replica_reader.read_since(session_id, revision, timeout)
            except StorageUnavailable as error:
                self._mark_away(error)
            else:
                if found.applied >= revision:
                    return found
        return await super().read_since(session_id, revision, _left(until))

    async def query(self, filter: Filter, options: QueryOptions, timeout: float) -> Page:
        """As SessionReader does; the replica may be a moment behind."""
        return await self._replica_first(
            timeout, lambda reader, left: SessionReader.query(reader, filter, options, left)
        )

    async def count(self, filter: Filter, timeout: float) -> int:
        """As SessionReader does; the replica may be a moment behind."""
        return await self._replica_first(
            timeout, lambda reader, left: SessionReader.count(reader, filter, left)
        )

    async def stats(self, player_id: str | None, timeout: float) -> Json:
        """As SessionReader does; the replica may be a moment behind."""
        return await self._replica_first(
            timeout, lambda reader, left: SessionReader.stats(reader, player_id, left)
        )

    async def _replica_first(
        self, timeout: float, ask: Callable[[SessionReader, float], Awaitable[Answer]]
    ) -> Answer:
        until = monotonic() + timeout
        if self._replica.is_available:
            try:
                return await ask(self._replica_reader, timeout)
            except StorageUnavailable as error:
                self._mark_away(error)
        return await ask(self, _left(until))

    def _mark_away(self, error: StorageUnavailable) -> None:
        """Mark the replica as away; raises the error again where the time for the read has passed."""
        if error.reason in TIMEOUTS:
            raise error
        self._replica.mark_away(error.reason)


def _left(until: float) -> float:
    return max(until - monotonic(), MIN_SECONDS)
