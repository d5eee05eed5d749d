"""No reading of the dead-letter queue uses a letter up, on any release of the broker."""

from contextlib import suppress

import aio_pika
import pytest

from contracts.outcomes import DeadLetterCode
from contracts.topology import DELIVERY_LIMIT, WRITE_KEY, Topology
from tests.support.broker.dead_letters import (
    bodies_of,
    declare_with_dead_letters,
    read_letters,
    send_letters,
    take_all,
    until_queue_holds,
)
from worker.broker.delivery import Properties
from worker.broker.topology import declare_topology
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters, open_replayer
from worker.dead_letters.removal import remove_dead_letters
from worker.errors import TopologyError

LOOKS = 100
BODIES = [str(number).encode() for number in range(5)]
ALL = DeadLetterFilter()


@pytest.fixture
async def topology(amqp_url: str, prefix: str) -> Topology:
    """Return a declared topology whose dead-letter queue holds `BODIES`."""
    return await declare_with_dead_letters(amqp_url, prefix, BODIES)


async def test_a_hundred_looks_leave_every_letter(amqp_url: str, topology: Topology) -> None:
    for _ in range(LOOKS):
        assert bodies_of(await read_letters(amqp_url, topology)) == BODIES
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_a_hundred_looks_for_one_letter_leave_every_letter(amqp_url: str, topology: Topology) -> None:
    for _ in range(LOOKS):
        assert bodies_of(await read_letters(amqp_url, topology, DeadLetterFilter(number=2))) == [BODIES[1]]
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_a_hundred_interrupted_looks_leave_every_letter(amqp_url: str, topology: Topology) -> None:
    for _ in range(LOOKS):
        with suppress(InterruptedError):
            async with open_dead_letters(amqp_url, topology) as dead:
                async for _ in dead.choose(ALL):
                    raise InterruptedError
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_a_hundred_erasures_leave_the_letters_of_others(amqp_url: str, topology: Topology) -> None:
    nobody = DeadLetterFilter(player="nobody")
    for _ in range(LOOKS):
        assert (await remove_dead_letters(amqp_url, topology, nobody)).removed == 0
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_a_letter_of_the_broker_is_shown_and_replayed(amqp_url: str, prefix: str) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    await give_up(amqp_url, topology, b"poison")
    for _ in range(DELIVERY_LIMIT + 5):
        (letter,) = await read_letters(amqp_url, topology)
        assert letter.failure.code == DeadLetterCode.DELIVERY_LIMIT
        assert letter.failure.queue == topology.write_queue.name
        assert letter.failure.failed_at is not None
    async with (
        open_replayer(amqp_url, topology, None) as replayer,
        open_dead_letters(amqp_url, topology) as dead,
    ):
        async for chosen in dead.choose(ALL):
            await replayer.replay(chosen.page, chosen.dead_letters, lambda _: None)
    assert await take_all(amqp_url, topology.dead_queue.name) == []
    assert broker_headers(await take_one(amqp_url, topology.write_queue.name)) == []


async def test_a_letter_shows_no_header_of_the_broker(amqp_url: str, prefix: str) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    await send_letters(amqp_url, topology, BODIES[:1])
    for _ in range(3):
        (letter,) = await read_letters(amqp_url, topology)
        assert letter.headers == {}


async def test_letters_in_the_queue_of_an_earlier_release_are_not_touched(
    amqp_url: str, topology: Topology
) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        former = topology.former_dead_queue
        await channel.declare_queue(former.name, durable=True, arguments=dict(former.arguments))
        await channel.default_exchange.publish(aio_pika.Message(b"old"), former.name)
        await until_queue_holds(amqp_url, former.name, lambda count: count == 1)
        with pytest.raises(TopologyError, match="run: session-store topology"):
            await read_letters(amqp_url, topology)
        await channel.queue_delete(former.name)


async def give_up(url: str, topology: Topology, body: bytes) -> None:
    """Have the broker give up a message: return it unacknowledged once too often by closing channels."""
    connection = await aio_pika.connect(url)
    async with connection:
        async with connection.channel() as channel:
            exchange = await channel.get_exchange(topology.sessions.name)
            await exchange.publish(aio_pika.Message(body, delivery_mode=2), WRITE_KEY)
        for _ in range(DELIVERY_LIMIT + 1):
            await until_queue_holds(url, topology.write_queue.name, lambda count: count == 1)
            async with connection.channel() as channel:
                queue = await channel.get_queue(topology.write_queue.name)
                await queue.get()
    await until_queue_holds(url, topology.dead_queue.name, lambda count: count == 1)


async def take_one(url: str, queue_name: str) -> Properties:
    """Take the first message of a queue and return its properties."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        message = await (await channel.get_queue(queue_name)).get()
        assert message is not None
        await message.ack()
        return Properties(headers=dict(message.headers))


def broker_headers(properties: Properties) -> list[str]:
    """Return the names of the broker's own headers about earlier deliveries; a count of 0 is left out."""
    headers = properties.headers or {}
    return [name for name, value in headers.items() if "death" in name or ("count" in name and value)]
