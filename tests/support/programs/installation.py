"""A prepared installation on the run's servers, and workers in it; fixtures for the suites that import them."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from contracts.topology import Topology
from tests.support.programs.replica import Replica
from tests.support.servers.running import delete_topology
from worker.broker.admin import declare_topology

Variables = dict[str, str]
StartReplica = Callable[[], Awaitable[Replica]]


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
    """Return what starts a worker and waits until it serves; all are ended with the test."""
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
    """Yield the URL of a broker where a worker serves the names without a prefix, as documentation has them."""
    variables = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "SESSION_STORE_CHANGES_FEED": "true"}
    await declare_topology(amqp_url, Topology())
    replica = await Replica.start(variables)
    await replica.logged("broker.connected")
    yield amqp_url
    await replica.stop()
    await delete_topology(amqp_url, Topology())
