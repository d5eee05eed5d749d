"""All sessions of one moment, as a stream."""

from collections.abc import AsyncGenerator

import sql
from contracts.requests import Filter
from worker.store.failures import translated
from worker.store.pool import Pool
from worker.store.reader import filter_values
from worker.store.rows import StoredSession

PORTION = 50  # sessions of a megabyte are possible


class SnapshotReader:
    """Reads any number of sessions as they were at one moment; raises StorageUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, wanted: Filter) -> AsyncGenerator[list[StoredSession], None]:
        """Yield the sessions that pass the filter, some at a time, in no order, from one snapshot.

        The transaction is open until the last is read: VACUUM keeps what was deleted meanwhile.
        """
        with translated():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                cursor = await connection.cursor(sql.statement("export_sessions"), *filter_values(wanted))
                while rows := await cursor.fetch(PORTION):
                    yield [StoredSession(**row) for row in rows]
