from collections.abc import AsyncIterator

import asyncpg
import pytest

from worker.store.storage import Storage, StorageOptions, open_storage


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection to this test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def storage(database_url: str) -> AsyncIterator[Storage]:
    """Yield a storage on this test's database."""
    async with open_storage(
        StorageOptions(dsn=lambda: database_url, pool_size=4, connect_timeout=10, statement_timeout=30)
    ) as storage:
        yield storage
