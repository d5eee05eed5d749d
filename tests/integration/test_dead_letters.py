"""Reading leaves the dead-letter queue unchanged, and no letter leaves it before its copy is confirmed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic

import aiormq
import pytest
from yarl import URL

from contracts.topology import WRITE_KEY, Topology
from deploy.local.ports import LOOPBACK
from tests.support.broker.dead_letters import (
    SMALL_PAGES,
    bodies_of,
    declare_with_dead_letters,
    read_letters,
    send_letters,
    take_all,
    until_queue_holds,
)
from tests.support.servers.proxy import Proxy
from worker.dead_letters.dead_letter import DeadLetter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters, open_replayer
from worker.errors import BrokerUnavailable, TopologyError

ALL = DeadLetterFilter()
BODIES = [str(number).encode() for number in range(60)]


@pytest.fixture
async def topology(amqp_url: str, prefix: str) -> Topology:
    """Return a declared topology whose dead-letter queue holds `BODIES`."""
    return await declare_with_dead_letters(amqp_url, prefix, BODIES)


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(LOOPBACK, URL(amqp_url).port or 0) as proxy:
        yield proxy


async def test_reading_leaves_the_letters_as_they_were(amqp_url: str, topology: Topology) -> None:
    first = await read_letters(amqp_url, topology)
    assert bodies_of(first) == BODIES
    assert [letter.number for letter in first] == list(range(1, 61))
    assert [letter.delivery.redelivered for letter in first] == [False] * 60
    for wanted, limit in (
        (DeadLetterFilter(number=5), None),
        (ALL, 2),
        (DeadLetterFilter(number=31), 1),
        (ALL, None),
    ):
        await read_letters(amqp_url, topology, wanted, limit)
    again = await read_letters(amqp_url, topology)
    assert [(letter.headers, letter.values) for letter in again] == [
        (letter.headers, letter.values) for letter in first
    ]
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_an_interrupted_reading_leaves_the_letters_as_they_were(
    amqp_url: str, topology: Topology
) -> None:
    await read_letters(amqp_url, topology)
    second_page = asyncio.Event()

    async def read() -> None:
        async with open_dead_letters(amqp_url, topology, SMALL_PAGES) as dead:
            async for chosen in dead.choose(ALL):
                if chosen.read_count > SMALL_PAGES.first:
                    second_page.set()
                    await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await second_page.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES


async def test_what_is_not_removed_keeps_its_order(amqp_url: str, topology: Topology) -> None:
    async with open_dead_letters(amqp_url, topology, SMALL_PAGES) as dead:
        async for chosen in dead.choose(ALL):
            odd = [letter.delivery.tag for letter in chosen.dead_letters if letter.number % 2]
            await chosen.page.remove(odd)
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES[1::2]


async def test_only_what_was_there_at_the_start_is_read(amqp_url: str, topology: Topology) -> None:
    seen: list[DeadLetter] = []
    async with open_dead_letters(amqp_url, topology, SMALL_PAGES) as dead:
        async for chosen in dead.choose(ALL):
            seen.extend(chosen.dead_letters)
            await send_letters(amqp_url, topology, [b"late"])
    assert bodies_of(seen) == BODIES


async def test_letters_that_somebody_else_takes_end_the_reading(amqp_url: str, topology: Topology) -> None:
    async with open_dead_letters(amqp_url, topology, SMALL_PAGES) as dead:
        pages = dead.choose(ALL)
        assert bodies_of((await anext(pages)).dead_letters) == BODIES[:3]
        assert await take_all(amqp_url, topology.dead_queue.name) == BODIES[3:]
        assert [letter async for chosen in pages for letter in chosen.dead_letters] == []
    assert await take_all(amqp_url, topology.dead_queue.name) == BODIES[:3]


async def test_a_lost_connection_loses_no_letter(amqp_url: str, topology: Topology, proxy: Proxy) -> None:
    with pytest.raises(BrokerUnavailable):
        await _read_and_cut(str(URL(amqp_url).with_port(proxy.port)), topology, proxy)
    await until_queue_holds(amqp_url, topology.dead_queue.name, lambda count: count == len(BODIES))
    assert sorted(await take_all(amqp_url, topology.dead_queue.name)) == sorted(BODIES)


async def _read_and_cut(url: str, topology: Topology, proxy: Proxy) -> None:
    async with open_dead_letters(url, topology, SMALL_PAGES) as dead:
        async for _ in dead.choose(ALL):
            proxy.cut()


async def test_a_missing_queue_is_a_topology_error(amqp_url: str, prefix: str) -> None:
    with pytest.raises(TopologyError, match="session-store topology"):
        async with open_dead_letters(amqp_url, Topology(prefix)):
            pass
    with pytest.raises(TopologyError, match="session-store topology"):
        async with open_replayer(amqp_url, Topology(prefix), None):
            pass


async def test_many_letters_of_one_page_are_removed_for_good(amqp_url: str, topology: Topology) -> None:
    for _ in range(5):  # one by one, acknowledgements were lost about every other time
        async with open_dead_letters(amqp_url, topology) as dead:
            async for chosen in dead.choose(ALL):
                await chosen.page.remove([letter.delivery.tag for letter in chosen.dead_letters[5:]])
        assert await take_all(amqp_url, topology.dead_queue.name) == BODIES[:5]
        await send_letters(amqp_url, topology, BODIES)


async def test_a_replay_moves_each_letter_once_and_in_order(amqp_url: str, topology: Topology) -> None:
    removed = await replay(amqp_url, topology)
    assert bodies_of(removed) == BODIES
    assert await take_all(amqp_url, topology.write_queue.name) == BODIES
    assert await take_all(amqp_url, topology.dead_queue.name) == []


async def test_a_replay_keeps_to_its_rate(amqp_url: str, topology: Topology) -> None:
    started = monotonic()
    await replay(amqp_url, topology, rate=100)
    assert monotonic() - started > (len(BODIES) - 10) / 100


async def test_a_letter_stays_while_no_queue_takes_its_copy(amqp_url: str, topology: Topology) -> None:
    await send_letters(amqp_url, topology, [b"twin", b"twin"], message_id="the same")
    connection = await aiormq.connect(amqp_url)
    channel = await connection.channel()
    await channel.queue_unbind(topology.write_queue.name, topology.sessions.name, WRITE_KEY)
    for wanted in (ALL, DeadLetterFilter(number=62)):
        with pytest.raises(BrokerUnavailable, match="routes to no queue"):
            await replay(amqp_url, topology, wanted)
    await connection.close()
    assert await take_all(amqp_url, topology.dead_queue.name) == [*BODIES, b"twin", b"twin"]


async def test_a_letter_is_never_gone_from_both_queues(
    amqp_url: str, topology: Topology, proxy: Proxy
) -> None:
    broken = str(URL(amqp_url).with_port(proxy.port))
    with pytest.raises(BrokerUnavailable):
        await replay(broken, topology, rate=100, on_removed=lambda _: proxy.cut())
    total = await until_queue_holds(amqp_url, topology.dead_queue.name, lambda count: count > 50)
    copies = await take_all(amqp_url, topology.write_queue.name)
    letters = await take_all(amqp_url, topology.dead_queue.name)
    assert len(letters) >= total
    assert set(copies) | set(letters) == set(BODIES)


async def replay(
    url: str,
    topology: Topology,
    wanted: DeadLetterFilter = ALL,
    rate: float | None = None,
    on_removed: Callable[[Sequence[DeadLetter]], None] = lambda _: None,
) -> list[DeadLetter]:
    """Replay letters and return those that were removed."""
    removed: list[DeadLetter] = []

    def note(letters: Sequence[DeadLetter]) -> None:
        removed.extend(letters)
        on_removed(letters)

    async with (
        open_replayer(url, topology, rate) as replayer,
        open_dead_letters(url, topology, SMALL_PAGES) as dead,
    ):
        async for chosen in dead.choose(wanted):
            await replayer.replay(chosen.page, chosen.dead_letters, note)
    return removed
