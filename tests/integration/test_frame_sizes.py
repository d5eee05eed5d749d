"""A broker may have the smallest frames that RabbitMQ 4.1 allows, and nothing depends on larger ones."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

import aio_pika
import pytest
from aio_pika.abc import HeadersType

from contracts.client import SessionStore
from contracts.dead_letters import CODE_HEADER, MESSAGE_HEADER
from contracts.topology import WRITE_KEY, Topology
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.caller import make_session
from tests.support.broker.dead_letters import take_all
from tests.support.programs.watched_worker import Installation, codes_of, install
from worker.broker.topology import declare_topology
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters, open_replayer

SMALLEST: Final = 8192
USUAL: Final = 131_072
SIZES: Final = range(SMALLEST - 1200, SMALLEST - 200, 100)
LARGE: Final = "x" * 900_000


@pytest.fixture
def small_frames(rabbit_server: RabbitServer) -> Iterator[None]:
    """Limit connections that are opened meanwhile to the smallest frames."""
    rabbit_server.ctl("eval", f"application:set_env(rabbit, frame_max, {SMALLEST}).")
    yield
    rabbit_server.ctl("eval", f"application:set_env(rabbit, frame_max, {USUAL}).")


@pytest.fixture
async def installation(
    small_frames: None, database_url: str, amqp_url: str, prefix: str
) -> AsyncIterator[Installation]:
    async with install(database_url, amqp_url, prefix) as installation:
        yield installation


async def test_a_large_session_comes_back(installation: Installation) -> None:
    session = make_session("large", state={"notes": LARGE})
    async with SessionStore(installation.amqp_url, prefix=installation.topology.prefix) as store:
        assert (await store.write(session)).outcome == "stored"
        record = await store.read("large")
    assert record is not None
    assert record.session.state == session["state"]
    installation.assert_undisturbed()


async def test_a_refused_event_whose_headers_fill_a_frame_costs_no_connection(
    installation: Installation,
) -> None:
    for size in SIZES:
        await asyncio.wait_for(
            installation.caller.publish(b"{", WRITE_KEY, headers={"note": "x" * size}), timeout=10
        )
        assert codes_of(await installation.dead_letters(1)) == ["bad_json"]
    installation.assert_undisturbed()


async def test_a_dead_letter_whose_headers_fill_a_frame_is_replayed(
    small_frames: None, amqp_url: str, prefix: str
) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(topology.dead.name, ensure=False)
        for size in SIZES:
            headers: HeadersType = {CODE_HEADER: "bad_json", MESSAGE_HEADER: "why", "note": "x" * size}
            await exchange.publish(aio_pika.Message(b"{", headers=headers), WRITE_KEY)
    async with (
        open_replayer(amqp_url, topology, None) as replayer,
        open_dead_letters(amqp_url, topology) as dead,
    ):
        async for chosen in dead.choose(DeadLetterFilter()):
            await replayer.replay(chosen.page, chosen.dead_letters, lambda _: None)
    assert await take_all(amqp_url, topology.write_queue.name) == [b"{"] * len(SIZES)
