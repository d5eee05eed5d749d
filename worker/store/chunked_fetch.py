"""Reads many sessions in chunks, and no more bytes than an answer may have."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from contracts.limits import MAX_MESSAGE_BYTES
from worker.errors import AnswerTooLarge

MAX_ROWS_AT_ONCE: Final = 101  # a page of the default size, and one row that says whether there is another
CHUNK_ROWS: Final = 50


async def fetch_sessions(
    connection: PoolConnectionProxy, statement: str, values: Sequence[object], max_rows: int, timeout: float
) -> list[asyncpg.Record]:
    """Return the rows of a statement that gives at most `max_rows`.

    More than 101 rows are read in chunks: a thousand sessions of a megabyte each would fill the memory before they
    are found to be too large. Raises AnswerTooLarge as soon as the rows read pass 4 MiB, and the driver's errors.
    """
    if max_rows <= MAX_ROWS_AT_ONCE:
        return await connection.fetch(statement, *values, timeout=timeout)
    rows: list[asyncpg.Record] = []
    size = 0
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(statement, *values, timeout=timeout)
        while chunk := await cursor.fetch(CHUNK_ROWS, timeout=timeout):
            rows += chunk
            size += sum(len(row["record"]) for row in chunk)
            if size > MAX_MESSAGE_BYTES:
                raise AnswerTooLarge("the sessions asked for pass 4 MiB")
    return rows
