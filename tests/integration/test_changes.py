"""The changes feed, from real workers to the Python client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.client import Closed, Gap, Misconfigured, SessionDeleted, SessionStore, SessionStored
from contracts.events import CLOUD_EVENT
from contracts.topology import Topology
from tests.faults.proxy import Proxy
from tests.faults.replica import Replica
from tests.installation import StartReplica, Variables
from tests.integration.test_client import session_of

Follow = AsyncGenerator[SessionStored | SessionDeleted | Gap, None]
Announce = Callable[[str, int], Awaitable[None]]
ON = {"SESSION_STORE_CHANGES_FEED": "true"}


@pytest.fixture
def installation(installation: Variables) -> Variables:
    """Return an installation whose workers feed."""
    return {**installation, **ON}


@pytest.fixture
async def store(installation: Variables, start_replica: StartReplica) -> AsyncIterator[SessionStore]:
    """Yield a client of an installation with a worker."""
    await start_replica()
    async with open_store(installation) as store:
        yield store


@pytest.fixture
async def announce(installation: Variables) -> AsyncIterator[Announce]:
    """Yield what tells, as a worker would, that a session was deleted at a revision."""
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


def open_store(installation: Variables, url: str | None = None) -> SessionStore:
    return SessionStore(
        url or installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    )


async def take(changes: Follow, number: int) -> list[Any]:
    """Return so many of what comes."""
    async with asyncio.timeout(30):
        return [await anext(changes) for _ in range(number)]


async def test_what_is_committed_is_told_as_it_is_read(store: SessionStore) -> None:
    async with aclosing(store.changes()) as changes:
        assert await take(changes, 1) == [Gap()]
        session = session_of(1, completedAt="2025-11-07T12:30:00+02:00", plugin={"kept": [1, 2.5, None]})
        written = await store.write(session)
        record = await store.read("sess_1")
        gone = await store.delete("sess_1")
        stored, deleted = await take(changes, 2)
    assert isinstance(stored, SessionStored)
    assert record
    assert (stored.id, stored.subject, stored.data.revision) == (written.event_id, "sess_1", written.revision)
    assert stored.data.session == record.session
    assert isinstance(deleted, SessionDeleted)
    assert (deleted.id, deleted.data.revision) == (gone.event_id, gone.revision)


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
        CLOUD_EVENT,
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


async def test_what_comes_late_is_dropped_for_its_own_session_alone(
    store: SessionStore, announce: Announce
) -> None:
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        for session_id, revision in (("a", 11), ("a", 10), ("b", 10), ("a", 11), ("a", 12)):
            await announce(session_id, revision)
        told = await take(changes, 3)
    assert [(change.subject, change.data.revision) for change in told] == [("a", 11), ("b", 10), ("a", 12)]


async def test_only_the_kind_asked_for_is_told(store: SessionStore) -> None:
    async with aclosing(store.changes(["session.deleted"])) as changes:
        await take(changes, 1)
        await store.write(session_of(1))
        await store.delete("sess_1")
        assert [change.type for change in await take(changes, 1)] == ["session.deleted"]


async def test_a_lost_connection_is_a_gap_and_what_follows_it_is_told(
    store: SessionStore, installation: Variables
) -> None:
    host, _, port = installation["AMQP_URL"].rpartition("@")[2].strip("/").partition(":")
    async with Proxy(host, int(port)) as proxy:
        url = installation["AMQP_URL"].replace(f":{port}", f":{proxy.port}")
        async with open_store(installation, url) as far, aclosing(far.changes()) as changes:
            await take(changes, 1)
            proxy.cut()
            assert await take(changes, 1) == [Gap()]
            await store.write(session_of(2))
            assert [change.subject for change in await take(changes, 1)] == ["sess_2"]


async def test_a_named_queue_keeps_what_comes_while_nobody_follows(
    store: SessionStore, installation: Variables
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    async with aclosing(store.changes(queue=name)) as changes:
        assert await take(changes, 1) == [Gap()]
        await store.write(session_of(1))
        await take(changes, 1)  # taken and not finished: it comes again
    await store.write(session_of(2))
    async with aclosing(store.changes(queue=name)) as changes:
        assert [change.subject for change in await take(changes, 2)] == ["sess_1", "sess_2"]
    await delete_queue(installation, name)


async def test_a_named_queue_that_somebody_deleted_is_a_gap(
    store: SessionStore, installation: Variables
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    async with aclosing(store.changes(queue=name)) as changes:
        await take(changes, 1)
        await delete_queue(installation, name)
        assert await take(changes, 1) == [Gap()]
    await delete_queue(installation, name)


async def test_a_message_that_is_no_change_is_passed_over(store: SessionStore, announce: Announce) -> None:
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await announce("a", 0)
        await store.write(session_of(1))
        assert [change.subject for change in await take(changes, 1)] == ["sess_1"]


async def test_who_follows_is_told_that_the_client_was_closed(installation: Variables) -> None:
    store = open_store(installation)
    changes = store.changes()
    await take(changes, 1)
    waiting = asyncio.create_task(take(changes, 1))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(Closed):
        await waiting


async def test_a_missing_exchange_is_said_so(amqp_url: str) -> None:
    with pytest.raises(Misconfigured, match="session-store topology"):
        await take(SessionStore(amqp_url, prefix="nowhere.").changes(), 1)


async def test_an_erased_players_sessions_are_told_as_deleted(store: SessionStore) -> None:
    await store.write(session_of(1), revision=10)
    await store.write(session_of(4), revision=11)
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.erase_player("player_1")
        told = await take(changes, 2)
    assert {(change.type, change.subject, change.data.revision) for change in told} == {
        ("session.deleted", "sess_1", 10),
        ("session.deleted", "sess_4", 11),
    }
    assert len({change.id for change in told}) == 2


async def test_a_session_that_a_late_write_of_an_erased_player_removes_is_told_as_deleted(
    store: SessionStore,
) -> None:
    await store.erase_player("player_1", revision=100)
    await store.write(session_of(1, playerId="somebody"), revision=5)
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.write(session_of(1), revision=7)
        (told,) = await take(changes, 1)
    assert await store.read("sess_1") is None
    assert (told.type, told.subject, told.data.revision) == ("session.deleted", "sess_1", 7)


async def test_without_the_setting_nothing_is_told(installation: Variables, announce: Announce) -> None:
    quiet = await Replica.start({**installation, "SESSION_STORE_CHANGES_FEED": "false"})
    await quiet.logged("broker.connected")
    async with open_store(installation) as store, aclosing(store.changes()) as changes:
        await take(changes, 1)
        await store.write(session_of(1))
        await announce("after", 1)
        assert [change.subject for change in await take(changes, 1)] == ["after"]
    await quiet.kill()


async def delete_queue(installation: Variables, name: str) -> None:
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)
