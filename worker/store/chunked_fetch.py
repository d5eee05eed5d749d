"""Reads many sessions a portion at a time, and no more of them than an answer may have."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from worker.errors import AnswerTooLarge

AT_ONCE: Final = (
    101  # rows that are fetched in one go: a page of the default size, and whether there is another
)
CHUNK_ROWS: Final = 50
LARGEST_ANSWER: Final = 4 * 1024 * 1024
"""In bytes (contract: Request, Errors)."""


async def fetch_sessions(
    connection: PoolConnectionProxy, statement: str, values: Sequence[object], most: int, timeout: float
) -> list[asyncpg.Record]:
    """Return the rows of a statement that gives at most `most` of them.

    A thousand sessions of a megabyte would fill the memory long before they are found to be too large.
    Raises AnswerTooLarge as soon as those read would pass 4 MiB, and whatever the driver raises.
    """
    if most <= AT_ONCE:
        return await connection.fetch(statement, *values, timeout=timeout)
    rows: list[asyncpg.Record] = []
    size = 0
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(statement, *values, timeout=timeout)
        while portion := await cursor.fetch(CHUNK_ROWS, timeout=timeout):
            rows += portion
            size += sum(
                len(row["encounter"]) + len(row["state"]) + len(row["extra"] or "") for row in portion
            )
            if size > LARGEST_ANSWER:
                raise AnswerTooLarge("the sessions asked for pass 4 MiB")
    return rows
