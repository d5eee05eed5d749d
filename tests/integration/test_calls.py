"""A call continues after its caller is cancelled, and a call after a refusal takes another connection."""

import asyncio
import socket
from uuid import uuid4

import asyncpg
import pytest

import sql
from contracts.outcomes import Outcome
from deploy.local.ports import LOOPBACK
from tests.support.programs.watched_worker import until_waiting
from tests.support.servers.storages import storage_at
from worker.errors import StorageUnavailable
from worker.store.rows import EventRow
from worker.store.writer import columns_of

EXPLAIN_EVERYTHING = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_level = notice; SET jit = off
"""
WRITE = EventRow("a", 5, uuid4(), None, False, "p", b"{}", b"{}", None, "2025-11-07T10:30:00+00:00")


async def test_a_write_whose_waiter_is_cancelled_is_committed(
    database_url: str, connection: asyncpg.Connection
) -> None:
    async with (
        storage_at(database_url) as storage,
        asyncio.timeout(20),
    ):
        async with connection.transaction():
            await connection.execute("LOCK TABLE session_erasures IN EXCLUSIVE MODE")
            writing = asyncio.create_task(storage.writer.apply([[WRITE]]))
            await until_waiting(connection, 1)
            writing.cancel()
            await asyncio.wait((writing,))
            assert writing.cancelled()
        while await storage.reader.read("a", 5) is None:
            await asyncio.sleep(0.01)


async def test_a_connection_to_a_server_that_takes_no_writes_any_more_is_not_used_again(
    database_url: str,
) -> None:
    async with storage_at(database_url) as storage:
        async with storage._writing.acquire() as connection:  # as an old primary is after a fail-over
            await connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(StorageUnavailable, match="read-only"):
            await storage.writer.apply([[WRITE]])
        assert (await storage.writer.apply([[WRITE]]))[0]["a"].outcome is Outcome.STORED


async def test_a_server_that_lets_nobody_in_is_away_and_not_overloaded() -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"postgresql://u@{LOOPBACK}:{silent.getsockname()[1]}/d"
        async with storage_at(url, 3) as storage:
            with pytest.raises(StorageUnavailable, match="timeout"):
                await storage.reader.read_many(["a"], timeout=0.1)


async def test_an_event_that_loses_is_looked_up_by_the_index(connection: asyncpg.Connection) -> None:
    plans: list[str] = []
    connection.add_log_listener(lambda _, message: plans.append(str(message)))
    await connection.execute(EXPLAIN_EVERYTHING)
    for _ in range(2):
        await connection.fetch(sql.statement("apply_session_events"), *columns_of([WRITE]))
    assert any("session_ledger_pkey" in plan for plan in plans)
    assert not [plan for plan in plans if "Seq Scan on session" in plan and "session_erasures" not in plan]
