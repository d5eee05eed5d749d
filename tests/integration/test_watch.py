"""A worker watches the queues that it consumes while it has a broker session."""

import asyncio

import aio_pika
import asyncpg
import pytest

from contracts.topology import Topology
from tests.support.programs.watched_worker import until_waiting
from worker import app
from worker.app import Worker
from worker.broker.publisher import Publisher
from worker.broker.session import BrokerSession
from worker.broker.topology import declare_topology
from worker.errors import TopologyError
from worker.serving import queue_watch
from worker.settings.loading import load
from worker.settings.reloading_url import ReloadingUrl
from worker.store.storage import StorageOptions, open_storage


async def test_a_queue_declared_differently_before_its_consumers_came_ends_the_worker(
    database_url: str, amqp_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    name = topology.delete_queue.name
    open_publisher = BrokerSession.open_publisher

    async def replace_first(broker: BrokerSession) -> Publisher:
        await replace_queue(amqp_url, name)
        return await open_publisher(broker)

    monkeypatch.setattr(
        BrokerSession, "open_publisher", replace_first
    )  # after the check, before the consumers
    monkeypatch.setattr(queue_watch, "WATCH_SECONDS", 2.0)
    loaded = load({"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix})
    async with open_storage(
        StorageOptions(
            dsn=ReloadingUrl(loaded, "database_url"),
            pool_size=loaded.settings.pool_size,
            connect_timeout=5.0,
            statement_timeout=10.0,
        )
    ) as storage:
        worker = Worker(loaded.settings, ReloadingUrl(loaded, "amqp_url"), storage)
        with pytest.raises(TopologyError, match=f"{name} is declared differently"):
            async with asyncio.timeout(30):
                await worker.run()


async def test_a_worker_that_waits_for_a_locked_database_stops_in_time(
    database_url: str, amqp_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "DRAIN_SECONDS", 0.2)
    loaded = load({"database_url": database_url, "amqp_url": amqp_url})
    async with (
        connection.transaction(),
        open_storage(
            StorageOptions(
                dsn=ReloadingUrl(loaded, "database_url"),
                pool_size=3,
                connect_timeout=5.0,
                statement_timeout=60.0,
            )
        ) as storage,
        asyncio.timeout(20),
    ):
        await connection.execute("LOCK TABLE session_store_migrations")
        worker = Worker(loaded.settings, ReloadingUrl(loaded, "amqp_url"), storage)
        running = asyncio.create_task(worker.run())
        await until_waiting(connection, 1)
        worker.stop()
        await running


async def replace_queue(amqp_url: str, name: str) -> None:
    """Replace a quorum queue by a classic queue."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)
        await channel.declare_queue(name, durable=True)
