"""An installation with the changes feed on, its client, and a publisher of changes that nobody committed."""

from collections.abc import AsyncIterator

import aio_pika
import orjson
import pytest

from contracts.client import SessionStore
from contracts.topology import Topology
from tests.support.broker.following import ON, Announce, open_store
from tests.support.programs.installation import StartReplica, Variables


@pytest.fixture
def installation(installation: Variables) -> Variables:
    """Return an installation whose workers publish to the changes feed."""
    return {**installation, **ON}


@pytest.fixture
async def store(installation: Variables, start_replica: StartReplica) -> AsyncIterator[SessionStore]:
    """Yield a client of an installation with a worker."""
    await start_replica()
    async with open_store(installation) as store:
        yield store


@pytest.fixture
async def announce(installation: Variables) -> AsyncIterator[Announce]:
    """Yield a function that publishes the delete of a session at a revision, as a worker would."""
    connection = await aio_pika.connect(installation["AMQP_URL"])
    channel = await connection.channel()
    exchange = await channel.get_exchange(Topology(installation["SESSION_STORE_PREFIX"]).changes.name)

    async def announce(session_id: str, revision: int) -> None:
        body = {
            "specversion": "1.0",
            "id": "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10",
            "source": "test",
            "type": "session.deleted",
            "subject": session_id,
            "data": {"revision": revision},
        }
        await exchange.publish(aio_pika.Message(orjson.dumps(body)), "session.deleted", mandatory=False)

    yield announce
    await connection.close()
