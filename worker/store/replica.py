"""A read replica: it serves reads that may be a moment old, and rests for a while after a failure."""

from time import monotonic
from typing import Final

import structlog

import sql
from worker.errors import StorageUnavailable
from worker.store.failures import CONCURRENT, translated
from worker.store.pool import Pool

log = structlog.get_logger()

PING_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 5.0
"""How long a failed replica gets no reads; the probe every 2 s may end this earlier."""


class Replica:
    """One server, or several behind one address; `lag` is in seconds, as the last probe found it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lag = 0.0
        self._away_until = 0.0

    @property
    def is_available(self) -> bool:
        """Whether reads should go to it."""
        return monotonic() >= self._away_until

    def mark_away(self, reason: str) -> None:
        """Note a failure; a read that conflicted with the replay says nothing about the next read."""
        if reason == CONCURRENT:
            return
        if self._away_until == 0:
            log.warning("replica.away", reason=reason)
        self._away_until = monotonic() + AWAY_SECONDS

    async def probe(self) -> None:
        """Note whether it answers, and how far its replay is behind."""
        try:
            with translated():
                async with self.pool.acquire(timeout=PING_SECONDS) as connection:
                    [row] = await connection.fetch(sql.statement("examine_replica"), timeout=PING_SECONDS)
        except StorageUnavailable as error:
            self.mark_away(error.reason)
            return
        if self._away_until:
            log.info("replica.back")
        self._away_until = 0
        self.lag = row["lag_seconds"]
