"""Expired sessions and tombstones, as a stream; only one at a time may read it."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import sql
from worker.errors import Overloaded
from worker.store.failures import translated
from worker.store.pool import Connection, Pool
from worker.store.rows import StoredSession

CHUNK_ROWS = 500


class Expired(NamedTuple):
    """A session, or the tombstone of a deleted one, at the revision at which it is old."""

    session_id: str
    revision: int


class ExpiredReader:
    """Reads the rows older than so many days, a portion at a time; raises StorageUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def completed(self, days: int) -> AsyncGenerator[list[Expired], None]:
        """Yield sessions that were completed before."""
        return self._read(sql.statement("expired_completed"), days)

    def abandoned(self, days: int) -> AsyncGenerator[list[Expired], None]:
        """Yield incomplete sessions that nothing has touched since."""
        return self._read(sql.statement("expired_abandoned"), days)

    def tombstones(self, days: int) -> AsyncGenerator[list[Expired], None]:
        """Yield the tombstones of sessions that were deleted before."""
        return self._read(sql.statement("expired_tombstones"), days)

    async def _read(self, statement: str, days: int) -> AsyncGenerator[list[Expired], None]:
        with translated():
            cursor = await self._connection.cursor(statement, days)
            while rows := await cursor.fetch(CHUNK_ROWS):
                yield [Expired(*row) for row in rows]


class Retention:
    """The database's side of retention."""

    def __init__(self, reading: Pool, writing: Pool) -> None:
        self._reading = reading
        self._writing = writing

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[ExpiredReader]:
        """Yield the reader of expired rows; raises Overloaded where another process has it."""
        with translated():
            async with self._reading.acquire() as connection, connection.transaction():
                if not await connection.fetchval(sql.statement("lock_retention")):
                    raise Overloaded("another process removes old sessions; only one at a time may")
                yield ExpiredReader(connection)

    async def read(self, expired: Sequence[Expired]) -> list[StoredSession]:
        """Return those sessions that are at the same revision still, in no order."""
        names, revisions = zip(*expired, strict=True)
        with translated():
            # not on the connections that read: `lock` may hold the only one
            rows = await self._writing.fetch(sql.statement("archive_sessions"), names, revisions)
        return [StoredSession(*row) for row in rows]

    async def delete_tombstones(self, session_ids: list[str], days: int) -> int:
        """Return how many tombstones are gone; one whose session was written or deleted since stays."""
        with translated():
            rows = await self._writing.fetch(sql.statement("delete_tombstones"), session_ids, days)
        return len(rows)
