"""The dead-letter queue for people: read it, send letters through the normal path again, or remove them.

Its delivery limit is never reached (contracts/topology.py), so reading it counts deliveries and changes nothing else.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from sys import maxsize

from aiormq.exceptions import ChannelNotFoundEntity

from contracts.signing import Keyring
from contracts.topology import Topology
from worker.broker.admin import check_topology
from worker.broker.connection import FilteredConnection, connected, open_channel
from worker.broker.publisher import Publisher
from worker.broker.topology import list_differences
from worker.dead_letters.dead_letter import DeadLetter, read_dead_letter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.peek import Page, PageSizes, QueuePeek, count_messages
from worker.dead_letters.replay import Replayer
from worker.errors import BrokerUnavailable, TopologyError

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Match:
    """The letters of one page that a filter accepts, and how many of the queue were read so far."""

    page: Page
    letters: list[DeadLetter]
    read: int


class DeadLetterQueue:
    """The letters that were in the queue when it was opened; those that others hold are not among them."""

    def __init__(self, snapshot: QueuePeek) -> None:
        self._snapshot = snapshot

    @property
    def total(self) -> int:
        """How many letters there were."""
        return self._snapshot.total

    async def choose(self, wanted: DeadLetterFilter, limit: int | None = None) -> AsyncGenerator[Match, None]:
        """Yield page after page with the letters a filter accepts, in order, until `limit` of them.

        They stay in the queue unless `page.remove` is called. Raises BrokerUnavailable.
        """
        left = limit or maxsize
        async for page in self._snapshot.pages(wanted.number or maxsize):
            letters = [
                read_dead_letter(delivery, page.first + at) for at, delivery in enumerate(page.deliveries)
            ]
            chosen = [letter for letter in letters if wanted.accepts(letter)][:left]
            yield Match(page, chosen, self._snapshot.read)
            left -= len(chosen)
            if left == 0:
                return


@asynccontextmanager
async def open_dead_letters(
    url: str, topology: Topology, sizes: PageSizes | None = None
) -> AsyncIterator[DeadLetterQueue]:
    """Yield the dead letters; afterwards those not removed are in the queue as they were, also on Ctrl-C.

    Raises TopologyError when there is no such queue or letters wait in that of an earlier release, BrokerUnavailable.
    """
    queue, former = topology.dead_queue.name, topology.former_dead_queue.name
    async with connected(url, "session-store dead letters", TIMEOUT_SECONDS) as connection:
        if left := await _count(connection, former):
            raise TopologyError(
                f"{left} letters wait in {former}, of an earlier release; run: session-store topology"
            )
        total = await _count(connection, queue)
        if total is None:
            raise TopologyError(f"queue {queue} is missing; run: session-store topology")
        snapshot = QueuePeek(connection, queue, total, sizes or PageSizes())
        try:
            yield DeadLetterQueue(snapshot)
        finally:
            await asyncio.create_task(snapshot.release())  # a task of its own has not been cancelled


async def _count(connection: FilteredConnection, queue: str) -> int | None:
    """Return how many messages wait in a queue; None where there is no such queue. Raises BrokerUnavailable."""
    try:
        return await count_messages(connection, queue)
    except BrokerUnavailable as error:
        if isinstance(error.__cause__, ChannelNotFoundEntity):
            return None
        raise


@asynccontextmanager
async def open_replayer(
    url: str, topology: Topology, rate: float | None, keyring: Keyring | None = None
) -> AsyncIterator[Replayer]:
    """Yield a replayer of at most `rate` letters a second, on a connection of its own; see `Replayer`.

    Raises TopologyError when what it publishes to is missing or differs, BrokerUnavailable.
    """
    if differences := await check_topology(url, topology):
        raise TopologyError(f"{list_differences(differences)}; run: session-store topology")
    async with connected(url, "session-store dead letters replay", TIMEOUT_SECONDS) as connection:
        channel = await open_channel(connection, confirms=True, timeout=TIMEOUT_SECONDS)
        yield Replayer(Publisher(channel), topology.sessions.name, rate, keyring)
