import asyncio
from uuid import uuid4

import aiormq
import pytest
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.outbox import Frame, Outbox
from worker.errors import BrokerUnavailable


def message_for(queue: str) -> list[Frame]:
    return [Basic.Publish(exchange="", routing_key=queue), ContentHeader(body_size=0)]


async def test_what_is_ready_in_one_turn_is_one_write(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel(publisher_confirms=False)
    queue = f"session.reply.{uuid4().hex}"
    await channel.queue_declare(queue, exclusive=True)
    payloads: list[ChannelFrame] = []
    put = channel.connection.write_queue.put

    async def noted(payload: ChannelFrame) -> None:
        payloads.append(payload)
        await put(payload)

    monkeypatch.setattr(channel.connection.write_queue, "put", noted)
    outbox = Outbox(channel)
    await asyncio.gather(*(outbox.write(message_for(queue)) for _ in range(20)))
    written = len(payloads)
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    await channel.basic_consume(queue, arrived.put, no_ack=True)
    for _ in range(20):
        await arrived.get()
    assert written == 1
    await connection.close()


async def test_writing_on_a_channel_that_is_gone_is_said_so_to_everybody(amqp_url: str) -> None:
    connection = await aiormq.connect(amqp_url)
    outbox = Outbox(await connection.channel(publisher_confirms=False))
    await connection.close()
    assert outbox.is_closed
    writing = (outbox.write(message_for("nobody")) for _ in range(3))
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(result) for result in results] == [BrokerUnavailable] * 3
