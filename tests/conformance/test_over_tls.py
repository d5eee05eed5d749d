"""The whole suite of both clients again: over TLS with certificates of both sides, and with signatures enforced."""

from collections.abc import AsyncIterator, Iterator

import pytest

from contracts.client import SessionStore
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.authority import SecureServers, prepared_servers
from tests.command import run_command
from tests.conformance.test_python import test_the_python_client_conforms
from tests.faults.replica import Replica
from tests.installation import StartReplica, Variables
from tests.integration.forgeries import KEYS
from tests.typescript.node import run_node
from tests.typescript.test_package import built

__all__ = ["built", "test_the_python_client_conforms"]  # collected here as well, with the fixtures below

PREFIX = "secure."


@pytest.fixture(scope="module")
def secure(own_postgres: PostgresServer, own_rabbit: RabbitServer) -> Iterator[SecureServers]:
    with prepared_servers(own_postgres, own_rabbit) as secure:
        declared = run_command("topology", variables=secure.urls() | {"SESSION_STORE_PREFIX": PREFIX})
        assert declared.returncode == 0, declared.stderr
        yield secure


@pytest.fixture
def installation(secure: SecureServers) -> Variables:
    """Return the variables of an installation that believes certificates and keys alone."""
    asked = {"SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SIGNING_KEYS": KEYS}
    return {**secure.urls(), **asked, "SESSION_STORE_PREFIX": PREFIX, "SESSION_STORE_CHANGES_FEED": "true"}


@pytest.fixture
async def store(installation: Variables, start_replica: StartReplica) -> AsyncIterator[SessionStore]:
    replica: Replica = await start_replica()
    async with SessionStore(installation["AMQP_URL"], prefix=PREFIX, timeout=20, keys=KEYS) as store:
        yield store
    assert await replica.stop() == 0


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
async def test_the_typescript_client_conforms(installation: Variables, start_replica: StartReplica) -> None:
    await start_replica()
    run_node("npm", "test", "--", "conformance", "signing", variables=installation)
