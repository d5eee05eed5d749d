from collections.abc import AsyncIterator

import asyncpg
import pytest

from contracts.topology import Topology
from tests.support.servers.storages import storage_at
from worker.broker.topology import declare_topology
from worker.store.storage import Storage


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection to this test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def storage(database_url: str) -> AsyncIterator[Storage]:
    """Yield a storage on this test's database."""
    async with storage_at(database_url) as storage:
        yield storage


@pytest.fixture
async def topology(amqp_url: str, prefix: str) -> Topology:
    """Return a declared topology."""
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    return topology
