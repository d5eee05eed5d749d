"""The Python client while its connection is cut, silent or refused, or its queue is deleted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from contracts.client import Closed, Misconfigured, SessionStore, TimedOut
from contracts.outcomes import Outcome
from contracts.topology import Topology
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.installation import StartReplica, Variables
from tests.support.servers.link import Direction
from tests.support.servers.proxy import Proxy


def session_of(number: int, **changed: Any) -> dict[str, Any]:
    """Return a session in wire form, another one for each number."""
    return {
        "sessionId": f"sess_{number}",
        "playerId": "player_1",
        "encounter": {},
        "state": {},
        "startedAt": "2025-11-07T10:30:00.000Z",
        **changed,
    }


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    """Yield a proxy before the broker."""
    async with proxy_of(amqp_url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, installation: Variables) -> AsyncIterator[SessionStore]:
    """Yield a client behind the proxy."""
    async with store_behind(proxy, installation) as store:
        yield store


def proxy_of(amqp_url: str) -> Proxy:
    host, _, port = amqp_url.rpartition("@")[2].strip("/").rpartition(":")
    return Proxy(host, int(port))


def store_behind(proxy: Proxy, installation: Variables, **options: Any) -> SessionStore:
    url, _, port = installation["AMQP_URL"].strip("/").rpartition(":")
    assert port.isdigit()
    given = {"prefix": installation["SESSION_STORE_PREFIX"], "timeout": 20, **options}
    return SessionStore(f"{url}:{proxy.port}", **given)


async def test_a_connection_cut_at_any_byte_of_its_beginning_costs_only_time(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()

    async def write_over_a_cut(number: int, direction: Direction, byte: int) -> None:
        async with proxy_of(installation["AMQP_URL"]) as proxy:
            cut = proxy.cut_after(byte, direction)
            async with store_behind(proxy, installation) as store:
                assert (await store.write(session_of(number))).outcome is Outcome.STORED
                assert cut.is_set()

    places = [(way, byte) for way in Direction for byte in range(0, 1000, 100)]
    await asyncio.gather(*(write_over_a_cut(number, *place) for number, place in enumerate(places)))


@pytest.mark.parametrize("durability", ["stored", "queued"])
async def test_writes_and_reads_outlive_connections_that_are_cut_again_and_again(
    durability: Any, proxy: Proxy, installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()

    async def play(store: SessionStore, number: int) -> None:
        for turn in range(10):
            await store.write(session_of(number, state={"turn": turn}))
            record = await store.read(f"sess_{number}")
            assert record is not None
            assert record.session.state == {"turn": turn}

    async def cut_often() -> None:
        while True:
            await asyncio.sleep(0.3)
            proxy.cut()

    async with store_behind(proxy, installation, durability=durability) as store:
        cutting = asyncio.create_task(cut_often())
        await asyncio.gather(*(play(store, number) for number in range(30)))
        cutting.cancel()
        assert proxy.counters.resets > 0
        assert await store.count() == 30


async def test_a_call_waits_for_a_broker_that_is_away(
    proxy: Proxy, store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    await proxy.stop()
    writing = asyncio.create_task(store.write(session_of(1)))
    await asyncio.wait({writing}, timeout=0.5)
    assert not writing.done()
    await proxy.start()
    assert (await writing).outcome is Outcome.STORED


async def test_a_call_that_times_out_says_what_is_wrong(proxy: Proxy, installation: Variables) -> None:
    await proxy.stop()
    async with store_behind(proxy, installation, timeout=0.5) as store:
        with pytest.raises(TimedOut, match="Connect call failed"):
            await store.read("sess_1")


async def test_a_silent_broker_holds_no_call_beyond_its_deadline(
    proxy: Proxy, installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    async with store_behind(proxy, installation, timeout=1) as store:
        await store.write(session_of(1))
        proxy.pause()
        async with asyncio.timeout(2):
            with pytest.raises(TimedOut) as caught:
                await store.write(session_of(1, state={"late": True}))
        proxy.resume()
        again = await store.write(
            session_of(1, state={"late": True}),
            event_id=caught.value.event_id,
            revision=caught.value.revision,
        )
        assert again.outcome is Outcome.STORED


async def test_closing_ends_every_call_in_flight(proxy: Proxy, store: SessionStore) -> None:
    asking = [asyncio.create_task(store.count()) for _ in range(20)]
    writing = [asyncio.create_task(store.write(session_of(number))) for number in range(20)]
    await asyncio.wait(asking, timeout=0.3)
    async with asyncio.timeout(3):
        await store.close()
        results = await asyncio.gather(*asking, *writing, return_exceptions=True)
    assert {type(result) for result in results} == {Closed}


async def test_a_refused_login_is_said_so_until_it_is_mended(
    amqp_url: str, rabbit_server: RabbitServer
) -> None:
    user = f"engine{uuid4().hex}"
    url = f"amqp://{user}:secret@{amqp_url.rpartition('@')[2]}"
    async with SessionStore(url, prefix=f"none{uuid4().hex}.", timeout=20) as store:
        with pytest.raises(Misconfigured, match="refuses us"):
            await store.count()
        await asyncio.to_thread(rabbit_server.ctl, "add_user", user, "secret")
        await asyncio.to_thread(rabbit_server.ctl, "set_permissions", user, ".*", ".*", ".*")
        with pytest.raises(Misconfigured, match="no queue"):
            await store.count()
    await asyncio.to_thread(rabbit_server.ctl, "delete_user", user)


async def test_a_virtual_host_that_is_missing_is_said_to_who_waits(amqp_url: str) -> None:
    async with SessionStore(f"{amqp_url}absent", timeout=1) as store:
        with pytest.raises(TimedOut, match="does not let us in: no such virtual host"):
            await store.count()


async def test_a_client_whose_queue_was_deleted_makes_another(
    store: SessionStore, start_replica: StartReplica, rabbit_server: RabbitServer
) -> None:
    await start_replica()
    assert await store.count() == 0
    names = await asyncio.to_thread(rabbit_server.ctl, "list_queues", "--silent", "name")
    (replies,) = [name for name in names.split() if name.startswith("session.reply.")]
    await asyncio.to_thread(rabbit_server.ctl, "delete_queue", replies)
    assert await store.count() == 0


async def test_an_exchange_that_is_missing_is_said_so_to_every_call(
    store: SessionStore, installation: Variables
) -> None:
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    async with await aio_pika.connect(installation["AMQP_URL"]) as connection:
        channel = await connection.channel()
        await channel.exchange_delete(topology.sessions.name)
    calls = [store.write(session_of(number)) for number in range(20)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {Misconfigured}
