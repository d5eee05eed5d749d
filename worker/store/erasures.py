"""The database's side of erasing a player: a marker that keeps late writes out, and what there is to remove."""

import asyncio
from datetime import datetime
from typing import Final, NamedTuple

import sql
from worker.store.failures import translated
from worker.store.pool import Pool

LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '1500ms'"
"""Those who store events wait meanwhile. PostgreSQL ends an autovacuum in the way after its deadlock_timeout, 1 s."""


class Marker(NamedTuple):
    """Up to which revision a player's writes stay out, and since when."""

    revision: int
    erased_at: datetime


class Erasable(NamedTuple):
    """A session, the revision at which it goes, and the one that its delete has to expect."""

    session_id: str
    revision: int
    expected: int


class Removed(NamedTuple):
    """A session that is not there any more, and the revision at which it went."""

    session_id: str
    revision: int


class Left(NamedTuple):
    """How many sessions of a player are there up to a revision, how many after it, and the greatest of all."""

    up_to: int
    later: int
    greatest: int | None


class Erasures:
    """Marks players as erased, and reads what is theirs; raises StorageUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # the one that writes: what is read must not be older than what was written

    async def mark(self, player_id: str, revision: int) -> Marker:
        """Keep the player's writes out up to the revision, and return what is marked now, committed.

        Every transaction that applied events before has ended then, and every later one sees the marker. Waits 1.5 s
        for those at work, and then raises StorageUnavailable: pausing lets them go on.
        """
        return await asyncio.shield(
            self._mark(player_id, revision)
        )  # a call is never cancelled, see reader.py

    async def _mark(self, player_id: str, revision: int) -> Marker:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK_TIMEOUT)
                (row,) = await connection.fetch(sql.statement("mark_erasure"), player_id, revision)
        return Marker(**row)

    async def sessions(self, player_id: str, revision: int) -> list[Erasable]:
        """Return sessions of the player up to a revision; none when there are none left."""
        with translated():
            asked = self._pool.fetch(sql.statement("sessions_to_erase"), player_id, revision)
            rows = await asyncio.shield(asked)
        return [Erasable(**row) for row in rows]

    async def removed(self, player_id: str) -> list[Removed]:
        """Return the sessions removed since the player was marked last, not all of them the player's."""
        with translated():
            asked = self._pool.fetch(sql.statement("removed_since_erasure"), player_id)
            rows = await asyncio.shield(asked)
        return [Removed(**row) for row in rows]

    async def count(self, player_id: str, revision: int) -> Left:
        """Return how many sessions of the player there are now."""
        with translated():
            asked = self._pool.fetch(sql.statement("count_erasable"), player_id, revision)
            (row,) = await asyncio.shield(asked)
        return Left(**row)
