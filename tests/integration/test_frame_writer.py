import asyncio
from uuid import uuid4

import pytest
from aiormq.abc import DeliveredMessage

from deploy.local.ports import LOOPBACK
from deploy.local.rabbitmq import RabbitServer
from tests.support.servers.proxy import Proxy
from worker.broker.connection import connected, open_channel
from worker.broker.frame_writer import FrameWriter
from worker.broker.message import Address, message_of
from worker.errors import BrokerUnavailable

NO_PROPERTIES = b"\x00\x00"


def message_for(queue: str) -> bytes:
    return message_of(1, Address(queue), NO_PROPERTIES, b"")


async def test_what_is_ready_in_one_turn_is_one_write(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(amqp_url, "a test", 10) as connection:
        channel = await open_channel(connection, confirms=False, timeout=10)
        queue = f"session.reply.{uuid4().hex}"
        await channel.queue_declare(queue, exclusive=True)
        written: list[bytes] = []
        write = connection.writer.write

        def noted(payload: bytes) -> None:
            written.append(payload)
            write(payload)

        monkeypatch.setattr(connection.writer, "write", noted)
        writer = FrameWriter(channel, connection.writer)
        await asyncio.gather(*(writer.write(message_for(queue)) for _ in range(20)))
        arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await channel.basic_consume(queue, arrived.put, no_ack=True)
        for _ in range(20):
            await arrived.get()
    assert next(payload.count(queue.encode()) for payload in written if b"session.reply" in payload) == 20


async def test_a_peer_that_does_not_read_is_waited_for_and_then_given_up(
    rabbit_server: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.broker.frame_writer.WRITE_SECONDS", 0.2)
    async with Proxy(LOOPBACK, rabbit_server.port) as proxy:
        url = f"amqp://guest:guest@{LOOPBACK}:{proxy.port}/"
        async with connected(url, "a test", 10) as connection:
            writer = FrameWriter(
                await open_channel(connection, confirms=False, timeout=10), connection.writer
            )
            proxy.pause()
            with pytest.raises(BrokerUnavailable):
                await _write_for_ever(writer)
            proxy.resume()
            await writer.write(message_for("nobody"))


async def test_writing_on_a_channel_that_is_gone_is_said_so_to_everybody(amqp_url: str) -> None:
    async with connected(amqp_url, "a test", 10) as connection:
        writer = FrameWriter(await open_channel(connection, confirms=False, timeout=10), connection.writer)
    assert writer.is_closed
    writing = (writer.write(message_for("nobody")) for _ in range(3))
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(result) for result in results] == [BrokerUnavailable] * 3


async def _write_for_ever(writer: FrameWriter) -> None:
    while True:
        await writer.write(message_for("nobody") * 1000)
