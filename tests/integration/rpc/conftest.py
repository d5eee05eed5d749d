"""An installation for each test module; its tests use different ids."""

import secrets
from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.caller import Caller
from tests.support.programs.rpc_worker import Installation, install
from tests.support.servers.running import delete_topology, unique_prefix


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    postgres_server: PostgresServer, rabbit_server: RabbitServer, template_database: str
) -> AsyncIterator[Installation]:
    """Yield a running worker of this module alone."""
    name, prefix = f"test_{secrets.token_hex(6)}", unique_prefix()
    database_url = postgres_server.create_database(name, template_database)
    async with install(database_url, rabbit_server.url, prefix) as installation:
        yield installation
    await delete_topology(rabbit_server.url, installation.topology)
    postgres_server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(installation: Installation) -> Caller:
    """Return the caller of the module's worker."""
    return installation.caller
