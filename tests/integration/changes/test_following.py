"""The changes feed, from real workers to the Python client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aio_pika
import pytest

from contracts.client import Closed, Gap, Misconfigured, SessionDeleted, SessionStore, SessionStored
from contracts.topology import DELETED_KEY, EARLIER_SUBSCRIBER_ARGUMENTS, Topology
from tests.integration.test_client import session_of
from tests.support.broker.following import Announce, open_store, take
from tests.support.programs.installation import Variables
from tests.support.servers.proxy import Proxy


async def test_what_is_committed_is_told_as_it_is_read(store: SessionStore) -> None:
    async with aclosing(store.changes()) as changes:
        assert await take(changes, 1) == [Gap()]
        session = session_of(
            1, completedAt="2025-11-07T12:30:00+02:00", plugin={"kept": [1, 2.5, "long" * 5000]}
        )
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
    async with store_behind_a_proxy(installation) as (far, proxy), aclosing(far.changes()) as changes:
        await take(changes, 1)
        proxy.cut()
        assert await take(changes, 1) == [Gap()]
        await store.write(session_of(2))
        assert [change.subject for change in await take(changes, 1)] == ["sess_2"]


@pytest.mark.parametrize(("forgettable", "gaps"), [(60.0, 1), (0.0, 0)])
async def test_a_new_named_queue_whose_connection_ends_soon_is_a_gap(
    installation: Variables,
    announce: Announce,
    monkeypatch: pytest.MonkeyPatch,
    forgettable: float,
    gaps: int,
) -> None:
    monkeypatch.setattr("contracts.client.subscription.FORGETTABLE_SECONDS", forgettable)
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    async with (
        store_behind_a_proxy(installation) as (far, proxy),
        aclosing(far.changes(queue=name)) as changes,
    ):
        assert await take(changes, 1) == [Gap()]
        proxy.cut()
        for session_id in ("sess_1", "sess_2"):  # the first may still arrive over the old connection
            await announce(session_id, 1)
        told = await take(changes, 2 + gaps)
        assert told.count(Gap()) == gaps
    await delete_queue(installation, name)


async def test_a_named_queue_keeps_what_comes_while_nobody_follows(
    store: SessionStore, installation: Variables
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    async with aclosing(store.changes(queue=name)) as changes:
        assert await take(changes, 1) == [Gap()]
        await store.write(session_of(1))
        await take(changes, 1)  # taken and not finished: it is delivered again
    await store.write(session_of(2))
    async with aclosing(store.changes(queue=name)) as changes:
        assert [change.subject for change in await take(changes, 2)] == ["sess_1", "sess_2"]
    await delete_queue(installation, name)


async def test_a_follower_that_ends_a_hundred_times_is_told_everything_in_the_end(
    installation: Variables, announce: Announce
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    async with open_store(installation) as store, aclosing(store.changes(queue=name)) as changes:
        assert await take(changes, 1) == [Gap()]
    for number in range(5):
        await announce(f"sess_{number}", 1)
    for _ in range(100):
        async with open_store(installation) as store, aclosing(store.changes(queue=name)) as changes:
            await take(changes, 1)  # one change is taken, and none is finished
    async with open_store(installation) as store, aclosing(store.changes(queue=name)) as changes:
        told = {change.subject for change in await take(changes, 5)}
    assert told == {f"sess_{number}" for number in range(5)}
    await delete_queue(installation, name)


async def test_the_queue_of_an_earlier_client_loses_nothing_without_a_gap(
    installation: Variables, announce: Announce
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}search-index"
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue(name, durable=True, arguments=dict(EARLIER_SUBSCRIBER_ARGUMENTS))
        await queue.bind(Topology(installation["SESSION_STORE_PREFIX"]).changes.name, DELETED_KEY)
        await announce("sess_1", 1)
    async with open_store(installation) as store, aclosing(store.changes(queue=name)) as changes:
        (first,) = await take(changes, 1)
    for _ in range(25):
        async with open_store(installation) as store, aclosing(store.changes(queue=name)) as changes:
            await announce("sess_2", 2)
            (told,) = await take(changes, 1)
    assert first == Gap() or told.subject == "sess_1"
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


async def test_a_queue_of_that_name_that_is_of_another_kind_is_said_so(
    store: SessionStore, installation: Variables
) -> None:
    name = f"{installation['SESSION_STORE_PREFIX']}classic"
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        await channel.declare_queue(name, durable=True)
    with pytest.raises(Misconfigured, match="name another queue"):
        await take(store.changes(queue=name), 1)
    await delete_queue(installation, name)


async def test_a_missing_exchange_is_said_so(amqp_url: str) -> None:
    with pytest.raises(Misconfigured, match="session-store topology"):
        await take(SessionStore(amqp_url, prefix="nowhere.").changes(), 1)


async def delete_queue(installation: Variables, name: str) -> None:
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)


@asynccontextmanager
async def store_behind_a_proxy(installation: Variables) -> AsyncIterator[tuple[SessionStore, Proxy]]:
    """Yield a client whose connections pass a proxy, and the proxy."""
    host, _, port = installation["AMQP_URL"].rpartition("@")[2].strip("/").partition(":")
    async with Proxy(host, int(port)) as proxy:
        url = installation["AMQP_URL"].replace(f":{port}", f":{proxy.port}")
        async with open_store(installation, url) as store:
            yield store, proxy
