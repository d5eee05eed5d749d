"""The whole suite of both clients again: over TLS with certificates of both sides, and with signatures enforced."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.topology import Topology
from tests.conformance.test_python import store, test_the_python_client_conforms
from tests.support.broker.forgeries import KEYS
from tests.support.programs.installation import Variables, working
from tests.support.servers.authority import SecureServers
from tests.typescript.node import built, run_node
from worker.broker.topology import declare_topology

__all__ = [
    "built",
    "store",
    "test_the_python_client_conforms",
]  # collected here as well, with the fixture below

pytestmark = pytest.mark.asyncio(loop_scope="module")
PREFIX = "secure."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(secure_servers: SecureServers) -> AsyncIterator[Variables]:
    """Yield the variables of an installation with a worker that requires certificates and signatures."""
    asked = {"SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SIGNING_KEYS": KEYS}
    urls = secure_servers.urls()
    variables = {**urls, **asked, "SESSION_STORE_PREFIX": PREFIX, "SESSION_STORE_CHANGES_FEED": "true"}
    await declare_topology(urls["AMQP_URL"], Topology(PREFIX))
    async with working(variables):
        yield variables


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
async def test_the_typescript_client_conforms(served: Variables) -> None:
    await asyncio.to_thread(run_node, "npm", "test", "--", "conformance", "signing", variables=served)
