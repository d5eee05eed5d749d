"""The dead-letter queue for people: read it, replay dead letters, or remove them.

No reading reaches its delivery limit (contracts/topology.py), so that counts deliveries and changes nothing else.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from sys import maxsize

from aiormq.exceptions import ChannelNotFoundEntity

from contracts.signing import Keyring
from contracts.topology import Topology
from worker.broker.connection import FilteredConnection, connected, is_access_refused, open_channel
from worker.broker.publisher import Publisher
from worker.broker.topology import check_topology, list_differences
from worker.dead_letters.dead_letter import DeadLetter, read_dead_letter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.peek import Page, PageSizes, QueuePeek, count_messages
from worker.dead_letters.replay import Replayer
from worker.errors import BrokerUnavailable, TopologyError

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Match:
    """The dead letters of one page that a filter accepts, and how many messages of the queue were read so far."""

    page: Page
    dead_letters: list[DeadLetter]
    read_count: int


class DeadLetterQueue:
    """The dead letters in the queue when it was opened, without those that other consumers hold."""

    def __init__(self, peek: QueuePeek) -> None:
        self._peek = peek

    @property
    def total(self) -> int:
        """How many dead letters there were."""
        return self._peek.total

    async def choose(self, filter: DeadLetterFilter, limit: int | None = None) -> AsyncGenerator[Match, None]:
        """Yield each page with the dead letters that the filter accepts, in order, until there were `limit` of them.

        They stay in the queue unless `page.remove` is called. Raises BrokerUnavailable.
        """
        remaining = limit or maxsize
        async for page in self._peek.pages(filter.number or maxsize):
            dead_letters = [
                read_dead_letter(delivery, page.first + at) for at, delivery in enumerate(page.deliveries)
            ]
            matching = [each for each in dead_letters if filter.accepts(each)][:remaining]
            yield Match(page, matching, self._peek.read_count)
            remaining -= len(matching)
            if remaining == 0:
                return


@asynccontextmanager
async def open_dead_letters(
    url: str, topology: Topology, sizes: PageSizes | None = None
) -> AsyncIterator[DeadLetterQueue]:
    """Yield the dead letters; those not removed are in the queue as before at the end, also after Ctrl-C.

    Raises TopologyError when there is no such queue or dead letters wait in the former one, BrokerUnavailable.
    """
    queue, former = topology.dead_queue.name, topology.former_dead_queue.name
    async with connected(url, "session-store dead letters", TIMEOUT_SECONDS) as connection:
        if left := await _count_former(connection, former):
            raise TopologyError(f"{left} dead letters wait in {former}; run: session-store topology")
        total = await _count(connection, queue)
        if total is None:
            raise TopologyError(f"queue {queue} is missing; run: session-store topology")
        peek = QueuePeek(connection, queue, total, sizes or PageSizes())
        try:
            yield DeadLetterQueue(peek)
        finally:
            await asyncio.create_task(peek.release())  # a task of its own has not been cancelled


async def _count_former(connection: FilteredConnection, queue: str) -> int | None:
    """Return the number of messages in the queue of earlier releases; None also for a login without a right to ask.

    RabbitMQ 4.3 refuses such a login whether the queue exists or not. `session-store topology` has emptied it.
    """
    try:
        return await _count(connection, queue)
    except BrokerUnavailable as error:
        if is_access_refused(error):
            return None
        raise


async def _count(connection: FilteredConnection, queue: str) -> int | None:
    """Return the number of messages that wait in a queue; None for an unknown queue. Raises BrokerUnavailable."""
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
    """Yield a replayer of at most `rate` messages a second, on a connection of its own; see `Replayer`.

    Raises TopologyError when an exchange or a queue is missing or differs, BrokerUnavailable.
    """
    if differences := await check_topology(url, topology):
        raise TopologyError(f"{list_differences(differences)}; run: session-store topology")
    async with connected(url, "session-store dead letters replay", TIMEOUT_SECONDS) as connection:
        channel = await open_channel(connection, confirms=True, timeout=TIMEOUT_SECONDS)
        yield Replayer(Publisher(channel), topology.sessions.name, rate, keyring)
