"""An intake holds fewer deliveries where they are large."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest
from aiormq.abc import FieldTable

from worker.broker import window
from worker.broker.connection import connected, open_channel
from worker.broker.intake import Intake

PREFETCH = 40
LARGE = b"x" * 1_000
PLENTY = 60


@pytest.fixture
async def queue(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Yield a quorum queue of this test alone; ten large messages are as many bytes as a window has."""
    monkeypatch.setattr(window, "EVENT_BYTES", 10 * len(LARGE) // PREFETCH)
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        arguments: FieldTable = {"x-queue-type": "quorum"}
        queue = await channel.declare_queue(f"test.{uuid4().hex}", durable=True, arguments=arguments)
        yield queue.name
        await queue.delete(if_unused=False, if_empty=False)


@pytest.fixture
async def other(amqp_url: str) -> AsyncIterator[str]:
    """Yield a queue with nothing in it."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        yield (await channel.declare_queue(f"test.{uuid4().hex}", auto_delete=True)).name


@pytest.fixture
async def intake(amqp_url: str, queue: str) -> AsyncIterator[Intake]:
    """Yield an intake that has not started."""
    async with connected(amqp_url, "a test", 10) as connection:
        yield Intake(await open_channel(connection, confirms=False, timeout=10), connection)


async def publish(amqp_url: str, queue: str, bodies: list[bytes]) -> None:
    """Return once the queue has the messages."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        for body in bodies:
            await channel.default_exchange.publish(aio_pika.Message(body), queue)


async def settle(intake: Intake, number: int) -> list[bool]:
    """Receive and acknowledge this many deliveries; return whether each had been delivered before."""
    again: list[bool] = []
    async with asyncio.timeout(20):
        while len(again) < number:
            (delivery,) = await intake.receive(1)
            again.append(delivery.redelivered)
            assert await intake.acknowledge(delivery.tag, multiple=True)
    return again


async def test_small_deliveries_use_the_whole_prefetch(
    amqp_url: str, queue: str, other: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, [b"x"] * PLENTY)
    await intake.start(
        [queue, other], PREFETCH, 10, 4, by_bytes=True
    )  # the second starts while the first grows
    async with asyncio.timeout(20):
        while intake.unacknowledged < PREFETCH:
            await intake.receive(1)
    assert intake.unacknowledged == PREFETCH


async def test_large_deliveries_use_as_much_as_their_bytes_afford(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, [LARGE] * PLENTY)
    await intake.start([queue], PREFETCH, 10, 4, by_bytes=True)
    held = []
    async with asyncio.timeout(20):
        for _ in range(PLENTY):
            (delivery,) = await intake.receive(1)
            held.append(intake.unacknowledged)
            await intake.acknowledge(delivery.tag, multiple=True)
    assert max(held) <= 10
    assert max(held) > 4


async def test_a_window_of_small_deliveries_shrinks_for_large_ones_without_a_redelivery(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, [b"x"] * PREFETCH + [LARGE] * 8 * PREFETCH)
    await intake.start([queue], PREFETCH, 10, 4, by_bytes=True)
    assert not any(await settle(intake, 7 * PREFETCH))
    held = []
    async with asyncio.timeout(20):
        for _ in range(2 * PREFETCH):
            (delivery,) = await intake.receive(1)
            assert not delivery.redelivered
            held.append(intake.unacknowledged)
            await intake.acknowledge(delivery.tag, multiple=True)
    assert max(held[PREFETCH:]) <= 10


async def test_an_intake_that_grows_stops_without_a_redelivery(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, [b"x"] * PLENTY)
    await intake.start([queue], PREFETCH, 10, 4, by_bytes=True)
    received = await intake.receive(4)  # the small consumer is full, and the spare one starts
    stopping = asyncio.create_task(intake.stop(10))
    while received:
        assert await intake.acknowledge(received[-1].tag, multiple=True)
        received = await intake.receive(PREFETCH)
    await stopping
    assert intake.is_open
    assert intake.unacknowledged == 0
    assert not any(await redelivered(amqp_url, queue))


async def redelivered(amqp_url: str, queue: str) -> list[bool]:
    """Take the messages left in the queue; return for each whether it was delivered before."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        left = await channel.get_queue(queue)
        found = []
        while message := await left.get(fail=False, no_ack=True):
            found.append(bool(message.redelivered))
        return found
