"""A call to the database that nobody waits for any more goes on to its end: cancelled, it could hang."""

import asyncio
from uuid import uuid4

import asyncpg

from worker.store.rows import EventRow
from worker.store.storage import StorageOptions, open_storage

STARTED = "2025-11-07T10:30:00+00:00"


async def test_a_write_whose_waiter_is_cancelled_is_committed(
    database_url: str, connection: asyncpg.Connection
) -> None:
    write = EventRow("a", 5, uuid4(), None, False, "p", "{}", "{}", None, STARTED)
    async with open_storage(StorageOptions(lambda: database_url, 4, 10, 30)) as storage, asyncio.timeout(20):
        async with connection.transaction():
            await connection.execute("LOCK TABLE session_erasures IN EXCLUSIVE MODE")
            writing = asyncio.create_task(storage.writer.apply([[write]]))
            while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)
            writing.cancel()
            await asyncio.wait((writing,))
            assert writing.cancelled()
        while await storage.reader.read("a", 5) is None:
            await asyncio.sleep(0.01)
