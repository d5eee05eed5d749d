from collections.abc import AsyncIterator

import asyncpg
import pytest


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection to this test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
