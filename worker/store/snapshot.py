"""Reads all sessions as of one moment, as a stream."""

from collections.abc import AsyncGenerator

import sql
from contracts.requests import Filter
from worker.store.failures import translated
from worker.store.pool import Pool
from worker.store.reader import filter_values
from worker.store.rows import StoredSession

CHUNK_ROWS = 50  # sessions of a megabyte are possible


class SnapshotReader:
    """Reads any number of sessions as of one moment; raises StorageUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, filter: Filter) -> AsyncGenerator[list[StoredSession], None]:
        """Yield the sessions that pass the filter in chunks, in no order, from one snapshot.

        The transaction is open until the last chunk is read, and VACUUM keeps the rows deleted meanwhile.
        """
        with translated():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                cursor = await connection.cursor(sql.statement("export_sessions"), *filter_values(filter))
                while rows := await cursor.fetch(CHUNK_ROWS):
                    yield [StoredSession(**row) for row in rows]
