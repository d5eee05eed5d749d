"""The deliveries that an intake gives out at a time."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest

from worker.broker.connection import connected, open_channel
from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable

PREFETCH = 20
FOR_EVER = 1000.0  # a test that lingers so long fails by its time limit


@pytest.fixture
async def intake(amqp_url: str, queue: str) -> AsyncIterator[Intake]:
    """Yield an intake of the queue with a prefetch of twenty."""
    async with connected(amqp_url, "a test", 10) as connection:
        intake = Intake(await open_channel(connection, confirms=False, timeout=10), connection)
        await intake.start([queue], PREFETCH, 10)
        yield intake


@pytest.fixture
async def queue(amqp_url: str) -> AsyncIterator[str]:
    """Yield a queue of this test alone."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(f"test.{uuid4().hex}")
        yield queue.name
        await queue.delete(if_unused=False, if_empty=False)


async def publish(amqp_url: str, queue: str, number: int, body: bytes = b"") -> None:
    """Publish this many messages, each after the confirm of the one before."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        for _ in range(number):
            await channel.default_exchange.publish(aio_pika.Message(body), queue)


async def test_what_is_there_is_taken_at_once(amqp_url: str, queue: str, intake: Intake) -> None:
    await publish(amqp_url, queue, 1)
    assert len(await intake.receive(limit=10)) == 1


async def test_one_that_lingers_takes_as_many_as_were_asked_for(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(intake.receive(10, FOR_EVER))
        await publish(amqp_url, queue, 10)
    assert len(taking.result()) == 10


async def test_one_that_lingers_takes_what_there_is_when_no_more_may_come(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(intake.receive(PREFETCH * 2, FOR_EVER))
        await publish(amqp_url, queue, PREFETCH + 5)
    assert len(taking.result()) == PREFETCH


async def test_one_that_lingers_ends_with_the_intake(amqp_url: str, queue: str, intake: Intake) -> None:
    await publish(amqp_url, queue, 1)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(intake.receive(10, FOR_EVER))
        tasks.create_task(intake.stop(10))
    assert len(taking.result()) == 1


async def test_one_that_lingers_takes_what_has_come_when_the_time_is_over(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, 1)
    assert len(await intake.receive(10, linger=0.01)) == 1


async def test_what_is_acknowledged_while_an_intake_leaves_and_after_is_told_to_the_broker(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, 6)
    tags = [(await intake.receive(1))[0].tag for _ in range(6)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(intake.stop(10))
        await asyncio.sleep(0)  # it holds acknowledgements back from its first step on
        for tag in (tags[1], tags[4]):
            assert await intake.acknowledge(tag, multiple=True)
        assert intake.unacknowledged == 6
    assert intake.unacknowledged == 1
    assert await intake.acknowledge(tags[5])
    assert intake.unacknowledged == 0


async def test_what_was_acknowledged_makes_room_in_the_prefetch(
    amqp_url: str, queue: str, intake: Intake
) -> None:
    await publish(amqp_url, queue, 3)
    tags = [(await intake.receive(1))[0].tag for _ in range(3)]
    [consumer] = intake._consumers
    assert consumer.held == 3
    assert await intake.acknowledge(tags[1], multiple=True)
    assert consumer.held == 1


async def test_no_more_bytes_are_taken_at_once_than_are_enough(
    amqp_url: str, queue: str, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.broker.intake.BATCH_EVENT_BYTES", 2)
    await publish(amqp_url, queue, 5, b"x" * 10)
    await intake.stop(10)
    assert [len(await intake.receive(limit=10)) for _ in range(4)] == [2, 2, 1, 0]


class Work:
    """Endless work, with events for its begin and its end."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def do(self) -> None:
        try:
            self.begun.set()
            await asyncio.sleep(FOR_EVER)
        finally:
            self.ended.set()


async def test_work_ends_with_whoever_waits_for_it(intake: Intake) -> None:
    work = Work()
    waiting = asyncio.create_task(intake.run_until_lost(work.do()))
    await work.begun.wait()
    waiting.cancel()
    await work.ended.wait()


async def test_work_ends_with_the_intake(intake: Intake) -> None:
    work = Work()
    waiting = asyncio.create_task(intake.run_until_lost(work.do()))
    await work.begun.wait()
    await intake.close()
    with pytest.raises(BrokerUnavailable, match="lost"):
        await waiting
    await work.ended.wait()


async def test_a_spare_consumer_gets_what_the_first_of_every_replica_has_no_room_for(
    amqp_url: str, queue: str
) -> None:
    async with connected(amqp_url, "a test", 10) as connection:
        intakes = [
            Intake(await open_channel(connection, confirms=False, timeout=10), connection) for _ in range(2)
        ]
        for intake in intakes:
            await intake.start([queue], PREFETCH, 10, priority_prefetch=3)
        await publish(amqp_url, queue, 6)
        assert [len(await intake.receive(10, linger=0.1)) for intake in intakes] == [3, 3]
        await intakes[0].stop(10)
        await publish(amqp_url, queue, PREFETCH - 3)
        assert len(await intakes[1].receive(PREFETCH, FOR_EVER)) == PREFETCH - 3
        assert (intakes[0].unacknowledged, intakes[1].unacknowledged) == (3, PREFETCH)
