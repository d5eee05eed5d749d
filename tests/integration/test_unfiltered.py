"""Where the library no longer accepts the frame filter, the worker uses the library's own reader."""

import asyncio

import aio_pika
import pytest
from structlog.testing import capture_logs

from contracts.topology import Topology
from worker.broker.frames import FrameFilter
from worker.broker.session import BrokerOptions, open_broker_session
from worker.broker.topology import declare_topology


async def test_deliveries_that_pass_the_filter_are_taken_all_the_same(
    amqp_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    monkeypatch.setattr(FrameFilter, "feed", lambda _, chunk: chunk)
    broker = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    intake = await broker.open_intake([topology.write_queue.name], prefetch=10)
    connection = await aio_pika.connect(amqp_url)
    with capture_logs() as log:
        async with connection, connection.channel() as channel:
            exchange = await channel.get_exchange(topology.sessions.name)
            await exchange.publish(aio_pika.Message(b"{}", correlation_id="kept"), "session.write")
        async with asyncio.timeout(10):
            (delivery,) = await intake.receive(limit=10)
    properties = delivery.read_properties()
    assert (delivery.body, delivery.routing_key) == (b"{}", "session.write")
    assert properties is not None
    assert properties.correlation_id == "kept"
    assert await intake.acknowledge(delivery.tag)
    assert [line["event"] for line in log] == ["frames.not_filtered"]
    await broker.close()
