"""Answers from a replica where that is right, and from the primary where the replica cannot."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from contracts.requests import Filter, QueryOptions
from worker.errors import StorageUnavailable
from worker.store.cursor import CursorCodec
from worker.store.failures import TIMEOUTS
from worker.store.pool import Pool
from worker.store.reader import SHORTEST_SECONDS, Page, SessionReader, Since
from worker.store.records import Json
from worker.store.replica import Replica

Answer = TypeVar("Answer")


class ReplicaFirstReader(SessionReader):
    """Asks the replica first for queries, counts, statistics, and reads that name a revision.

    Reads that name none stay with the primary: an engine that had its write confirmed may read it back so.
    """

    def __init__(self, primary: Pool, replica: Replica, cursors: CursorCodec) -> None:
        super().__init__(primary, cursors)
        self._replica = replica
        self._near = SessionReader(replica.pool, cursors)

    def note_layout(self, *, is_partitioned: bool) -> None:
        """As the primary's; the replica is asked in the same way."""
        super().note_layout(is_partitioned=is_partitioned)
        self._near.note_layout(is_partitioned=is_partitioned)

    async def read_since(self, session_id: str, revision: int, timeout: float) -> Since:
        """As the primary's; what the replica has not applied yet is asked of the primary at once."""
        until = monotonic() + timeout
        if self._replica.is_there:
            try:
                found = await self._near.read_since(session_id, revision, timeout)
            except StorageUnavailable as error:
                self._note(error)
            else:
                if found.applied >= revision:
                    return found
        return await super().read_since(session_id, revision, _left(until))

    async def query(self, wanted: Filter, options: QueryOptions, timeout: float) -> Page:
        """As the primary's, as of a moment that may lie a little back."""
        return await self._spread(timeout, lambda at, left: SessionReader.query(at, wanted, options, left))

    async def count(self, wanted: Filter, timeout: float) -> int:
        """As the primary's, as of a moment that may lie a little back."""
        return await self._spread(timeout, lambda at, left: SessionReader.count(at, wanted, left))

    async def stats(self, player_id: str | None, timeout: float) -> Json:
        """As the primary's, as of a moment that may lie a little back."""
        return await self._spread(timeout, lambda at, left: SessionReader.stats(at, player_id, left))

    async def _spread(
        self, timeout: float, ask: Callable[[SessionReader, float], Awaitable[Answer]]
    ) -> Answer:
        until = monotonic() + timeout
        if self._replica.is_there:
            try:
                return await ask(self._near, timeout)
            except StorageUnavailable as error:
                self._note(error)
        return await ask(self, _left(until))

    def _note(self, error: StorageUnavailable) -> None:
        """Return if the primary is to be asked; a call that took all its time would take it there too."""
        if error.reason in TIMEOUTS:
            raise error
        self._replica.mark_away(error.reason)


def _left(until: float) -> float:
    return max(until - monotonic(), SHORTEST_SECONDS)
