"""The default settings of a database do not change the stored sessions."""

import asyncio
from uuid import uuid4

import asyncpg

from contracts.outcomes import Outcome
from tests.support.programs.watched_worker import until_waiting
from tests.support.servers.storages import storage_at
from worker.store.rows import EventRow


async def test_no_default_isolation_lets_a_write_past_an_erasure(
    database_url: str, connection: asyncpg.Connection
) -> None:
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    started = "2025-11-07T10:30:00+00:00"
    write = EventRow("a", 5, uuid4(), None, False, "p", b"{}", b"{}", None, started)
    async with (
        storage_at(database_url) as storage,
        asyncio.TaskGroup() as tasks,
        connection.transaction(),
    ):
        await connection.fetch("SELECT * FROM mark_erasure('p', 10)")
        storing = tasks.create_task(storage.writer.apply([[write]]))
        await until_waiting(connection, 1)
    assert storing.result()[0]["a"].outcome is Outcome.SUPERSEDED
