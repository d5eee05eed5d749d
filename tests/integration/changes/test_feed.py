"""The messages that workers publish to the changes feed."""

import asyncio
from contextlib import aclosing

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage

from contracts.client import SessionStore
from contracts.topology import EVENT_CONTENT_TYPE, Topology
from tests.integration.test_client import session_of
from tests.support.broker.following import Announce, open_store, take
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica


async def test_the_message_is_a_persistent_cloud_event_by_its_own_key(
    store: SessionStore, installation: Variables
) -> None:
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(topology.changes.name, "session.stored")
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(arrived.put, no_ack=True)
        written = await store.write(session_of(1, completedAt=None))
        async with asyncio.timeout(30):
            message = await arrived.get()
    assert (message.content_type, message.delivery_mode, message.routing_key) == (
        EVENT_CONTENT_TYPE,
        2,
        "session.stored",
    )
    told = orjson.loads(message.body)
    assert told.pop("time").endswith("Z")
    assert told == {
        "specversion": "1.0",
        "id": str(written.event_id),
        "source": topology.changes.name,
        "type": "session.stored",
        "subject": "sess_1",
        "data": {"revision": written.revision, "session": session_of(1, completedAt=None)},
    }


async def test_an_event_that_changes_nothing_is_not_told_and_a_repeat_only_again(store: SessionStore) -> None:
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        written = await store.write(session_of(1), revision=10)
        await store.write(session_of(1), revision=9)
        await store.write(session_of(1), revision=10, event_id=written.event_id)
        await store.delete("sess_1", revision=11)
        assert [change.data.revision for change in await take(changes, 2)] == [10, 11]


async def test_without_the_setting_nothing_is_told(installation: Variables, announce: Announce) -> None:
    quiet = await Replica.start({**installation, "SESSION_STORE_CHANGES_FEED": "false"})
    await quiet.logged("broker.connected")
    async with open_store(installation) as store, aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.write(session_of(1))
        await announce("after", 1)
        assert [change.subject for change in await take(changes, 1)] == ["after"]
    await quiet.kill()
