"""Marks players as erased, which keeps late writes out, and reads the sessions that are to be removed."""

from datetime import datetime
from typing import Final, NamedTuple

import sql
from worker.store.failures import translated
from worker.store.pool import Pool
from worker.store.uncancelled import uncancelled

LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '1500ms'"
"""Transactions that store events wait as long. PostgreSQL ends an autovacuum in the way after deadlock_timeout."""


class Marker(NamedTuple):
    """The revision up to which a player's writes stay out, and the time since when."""

    revision: int
    erased_at: datetime


class Erasable(NamedTuple):
    """A session, the revision of its delete, and the revision that the delete has to expect."""

    session_id: str
    revision: int
    expected: int


class RemovedSession(NamedTuple):
    """A session that was removed, and the revision of its delete."""

    session_id: str
    revision: int


class PlayerSessions(NamedTuple):
    """Numbers of a player's sessions up to a revision and after it, and the greatest revision; None without one."""

    up_to: int
    later: int
    greatest: int | None


class Erasures:
    """Marks players as erased, and reads their sessions; raises StorageUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # the writing pool: a replica may lag

    async def mark(self, player_id: str, revision: int) -> Marker:
        """Keep the player's writes out up to the revision, and return the marker, committed.

        Every transaction that applied events before has ended by then, and every later one sees the marker. Waits at
        most 1.5 s for running transactions, and then raises StorageUnavailable, so that they can continue.
        """
        return await uncancelled(self._mark(player_id, revision))

    async def _mark(self, player_id: str, revision: int) -> Marker:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK_TIMEOUT)
                (row,) = await connection.fetch(sql.statement("mark_erasure"), player_id, revision)
        return Marker(**row)

    async def sessions(self, player_id: str, revision: int) -> list[Erasable]:
        """Return at most 500 sessions of the player up to a revision; none when none is left."""
        with translated():
            reading = self._pool.fetch(sql.statement("sessions_to_erase"), player_id, revision)
            rows = await uncancelled(reading)
        return [Erasable(**row) for row in rows]

    async def removed(self, player_id: str) -> list[RemovedSession]:
        """Return the sessions removed since the player was last marked, other players' among them."""
        with translated():
            reading = self._pool.fetch(sql.statement("removed_since_erasure"), player_id)
            rows = await uncancelled(reading)
        return [RemovedSession(**row) for row in rows]

    async def count(self, player_id: str, revision: int) -> PlayerSessions:
        """Return how many sessions the player has now."""
        with translated():
            reading = self._pool.fetch(sql.statement("count_erasable"), player_id, revision)
            (row,) = await uncancelled(reading)
        return PlayerSessions(**row)
