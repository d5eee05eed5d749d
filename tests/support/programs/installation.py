"""A prepared installation on the run's servers, and workers in it; fixtures for the suites that import them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from typing import Literal

import pytest

from contracts.topology import Topology
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.forked import FORKING
from tests.support.programs.replica import Replica
from tests.support.servers.running import delete_topology, prefix_on
from worker.broker.topology import declare_topology

Variables = dict[str, str]
StartReplica = Callable[[], Awaitable[Replica]]


@asynccontextmanager
async def working(variables: Variables) -> AsyncIterator[Replica]:
    """Yield a worker with these variables, once it serves; it must end by SIGTERM with status 0."""
    replica = await Replica.start(variables)
    try:
        await replica.logged("broker.connected")
        yield replica
        assert await replica.stop() == 0, replica.tail()
    finally:
        await replica.kill()


@asynccontextmanager
async def shared_installation(
    postgres: PostgresServer,
    rabbit: RabbitServer,
    template: str,
    more: Variables,
    *,
    workers: Literal[0, 1] = 1,
) -> AsyncIterator[Variables]:
    """Yield the variables of an installation with a worker, for tests of a module that use different ids.

    The database is a copy of the template; `more` are variables of the worker beside those of the servers.
    """
    name = f"test_{secrets.token_hex(6)}"
    url = await asyncio.to_thread(postgres.create_database, name, template)
    async with prefix_on(rabbit) as prefix:
        variables = {"DATABASE_URL": url, "AMQP_URL": rabbit.url, "SESSION_STORE_PREFIX": prefix, **more}
        await declare_topology(rabbit.url, Topology(prefix))
        async with working(variables) if workers else nullcontext():
            yield variables
    await asyncio.to_thread(postgres.drop_database, name)


@pytest.fixture(scope="module", autouse=True)
def executed_workers() -> Iterator[None]:
    """Execute each worker of a module that imports this, as a person or a service manager does."""
    FORKING.also_workers = False
    yield
    FORKING.also_workers = True


@pytest.fixture
def servers(database_url: str, amqp_url: str, prefix: str) -> Variables:
    """Return the variables of an installation whose database is migrated and whose topology is not declared."""
    return {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "SESSION_STORE_PREFIX": prefix}


@pytest.fixture
async def installation(servers: Variables) -> Variables:
    """Return the variables of an installation that is ready for workers."""
    await declare_topology(servers["AMQP_URL"], Topology(servers["SESSION_STORE_PREFIX"]))
    return servers


@pytest.fixture
async def start_replica(installation: Variables) -> AsyncIterator[StartReplica]:
    """Yield a function that starts a worker and returns it once it serves; all workers end with the test."""
    started: list[Replica] = []

    async def start() -> Replica:
        replica = await Replica.start(installation)
        started.append(replica)
        await replica.logged("broker.connected")
        return replica

    yield start
    for replica in started:
        await replica.kill()


@pytest.fixture
async def plain_installation(database_url: str, amqp_url: str) -> AsyncIterator[str]:
    """Yield the URL of a broker where a worker serves names without a prefix, as in the documentation."""
    variables = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "SESSION_STORE_CHANGES_FEED": "true"}
    await declare_topology(amqp_url, Topology())
    async with working(variables):
        yield amqp_url
    await delete_topology(amqp_url, Topology())
