"""One worker in this process, on real servers, and a caller of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from contracts.topology import Topology
from tests.support.broker.caller import Caller
from worker.app import Worker
from worker.broker.topology import declare_topology
from worker.settings.loading import load
from worker.settings.reloading_url import ReloadingUrl
from worker.store.storage import Storage, StorageOptions, open_storage


@dataclass(frozen=True, slots=True)
class Installation:
    """A database and queues of its own, with the worker, the caller and the storage that use them."""

    topology: Topology
    database_url: str
    amqp_url: str
    worker: Worker
    caller: Caller
    storage: Storage


@asynccontextmanager
async def install(
    database_url: str, amqp_url: str, prefix: str, replica_url: str | None = None
) -> AsyncIterator[Installation]:
    """Yield an installation whose worker has answered; asserts at the end that no reply came twice."""
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    loaded = load({"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix})
    settings = loaded.settings
    replica_dsn = (lambda: replica_url) if replica_url else None
    options = StorageOptions(
        dsn=ReloadingUrl(loaded, "database_url"),
        pool_size=settings.pool_size,
        connect_timeout=2.0,
        statement_timeout=5.0,
        replica_dsn=replica_dsn,
    )
    async with open_storage(options) as storage:
        worker = Worker(settings, ReloadingUrl(loaded, "amqp_url"), storage)
        running = asyncio.create_task(worker.run())
        caller = await Caller.connect(amqp_url, topology)
        await caller.call("health.check")
        yield Installation(topology, database_url, amqp_url, worker, caller, storage)
        await caller.connection.close()
        worker.stop()
        await running
    assert caller.strays == []
