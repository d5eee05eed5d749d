"""A dead-letter queue for tests: functions that fill it, read it and empty it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import aiormq
from pamqp.commands import Basic

from contracts.topology import WRITE_KEY, Topology
from tests.support.patience import LONGEST_WAIT
from worker.broker.connection import close_quietly, open_connection
from worker.broker.topology import declare_topology
from worker.dead_letters.dead_letter import DeadLetter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.peek import PageSizes, count_messages
from worker.dead_letters.queue import open_dead_letters

SMALL_PAGES = PageSizes(first=3, largest=7)


async def declare_with_dead_letters(amqp_url: str, prefix: str, bodies: Sequence[bytes]) -> Topology:
    """Return a declared topology whose dead-letter queue holds `bodies`."""
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    await send_letters(amqp_url, topology, bodies)
    return topology


async def send_letters(
    url: str, topology: Topology, bodies: Iterable[bytes], code: str = "bad_json", **properties: str
) -> None:
    """Publish dead letters with these bodies, in this order."""
    headers = {
        "x-code": code,
        "x-message": "why",
        "x-failed-at": "2026-11-23T12:00:00.000Z",
        "x-origin-queue": topology.write_queue.name,
    }
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=True)
    await asyncio.gather(
        *(
            channel.basic_publish(
                body,
                exchange=topology.dead.name,
                routing_key=WRITE_KEY,
                properties=Basic.Properties(delivery_mode=2, headers=dict(headers), **properties),  # type: ignore[arg-type]
                mandatory=True,
            )
            for body in bodies
        )
    )
    await connection.close()


async def read_letters(
    url: str, topology: Topology, wanted: DeadLetterFilter | None = None, limit: int | None = None
) -> list[DeadLetter]:
    """Return the letters that a command would list, read in small pages."""
    found: list[DeadLetter] = []
    async with open_dead_letters(url, topology, SMALL_PAGES) as dead:
        async for chosen in dead.choose(wanted or DeadLetterFilter(), limit):
            found.extend(chosen.dead_letters)
    return found


def bodies_of(letters: Sequence[DeadLetter]) -> list[bytes]:
    """Return the letters' bodies, in order."""
    return [letter.delivery.body for letter in letters]


async def take_all(url: str, queue: str) -> list[bytes]:
    """Empty a queue and return the bodies in order."""
    bodies: list[bytes] = []
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    while (message := await channel.basic_get(queue, no_ack=True)).delivery_tag:
        bodies.append(message.body)
    await connection.close()
    return bodies


async def until_queue_holds(url: str, queue: str, enough: Callable[[int], bool]) -> int:
    """Return the number of messages that wait in a queue, once it is enough."""
    connection = await open_connection(url, "test", LONGEST_WAIT)
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            while not enough(count := await count_messages(connection, queue)):
                await asyncio.sleep(0.01)
    finally:
        await close_quietly(connection)
    return count
