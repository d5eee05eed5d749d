"""Reads a queue without changing it: its messages are taken unacknowledged and put back where they were.

AMQP has no other way to look into a queue. What is taken stays unseen by others until it is put back, and
counts as delivered once more: a queue with a delivery limit must not be read like this.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Final

import structlog
from aiormq.abc import AbstractChannel

from worker.broker.connection import FilteredConnection, broker_calls, describe, open_channel
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.broker.queue_state import look_at_queue
from worker.errors import BrokerUnavailable

log = structlog.get_logger()

PAGE_BYTES: Final = 32 * 1024 * 1024
MOST_PAGES: Final = 1000  # a page has a channel of its own, and a connection at most 2,047
TIMEOUT_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 1.0
MOST_QUIET: Final = 30
REORDER_SECONDS: Final = 30.0
RETURN_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class PageSizes:
    """How many messages the first page holds, and any page at most."""

    first: int = 64
    largest: int = 2000


class Page:
    """Consecutive messages of a queue, held unacknowledged; `first` is the first one's place in the queue."""

    def __init__(self, channel: AbstractChannel, intake: Intake, first: int, size: int) -> None:
        self._channel = channel
        self._intake = intake
        self._size = size
        self._removed = 0
        self.first = first
        self.read = 0
        self.deliveries: list[Delivery] = []

    @property
    def is_full(self) -> bool:
        """Whether as many messages came as were asked for."""
        return self.read == self._size

    @property
    def holding(self) -> int:
        """How many messages are to be put back."""
        return self.read - self._removed

    async def fill(self) -> bool:
        """Wait until the page is full; False when nothing came for a while. Raises BrokerUnavailable."""
        while not self.is_full:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    taken = await self._intake.take(self._size - self.read)
            except TimeoutError:
                return False
            self._add(taken)
        return True

    async def stop(self) -> None:
        """Have nothing more delivered to this page; what was on its way is in it."""
        await self._intake.stop(TIMEOUT_SECONDS)
        while self._intake.is_open and (taken := await self._intake.take(self._size)):
            self._add(taken)

    async def remove(self, tags: Sequence[int]) -> None:
        """Take messages, by their delivery tags, off the queue for good; the broker knows when this returns.

        One transaction, for a channel keeps acknowledgements beyond 32 in flight to itself for a while, and when it
        is closed they are lost (`rabbit_fifo_client`, soft limit; seen on 3.10.8).
        Raises BrokerUnavailable when the channel is lost: the broker may have put the messages back.
        """
        for tag in tags:
            if not await self._intake.acknowledge(tag):
                raise BrokerUnavailable(self._intake.lost.result())
        with broker_calls():
            await self._channel.tx_commit(timeout=TIMEOUT_SECONDS)
        self._removed += len(tags)

    async def close(self) -> None:
        """Put back what was not removed."""
        await self._intake.close()

    def _add(self, taken: Sequence[Delivery]) -> None:
        if not taken:
            raise BrokerUnavailable(self._intake.lost.result())
        self.deliveries.extend(taken)
        self.read += len(taken)


class QueuePeek:
    """The first `total` messages of a queue, page by page.

    A page is small because the broker loads all that it may deliver at once (a quorum queue of RabbitMQ 3.10 reads
    every message of a prefetch into memory), and has a consumer of its own because no other way gets more while
    the messages before are held. Pages are put back in their order, so that the queue is as it was. Where the
    connection is cut instead, the broker puts them back by itself, in blocks of any order.
    """

    def __init__(self, connection: FilteredConnection, queue: str, total: int, sizes: PageSizes) -> None:
        self._connection = connection
        self._queue = queue
        self._sizes = sizes
        self._held: list[Page] = []
        self._bytes = 0
        self._may_follow = False
        self.total = total
        self.read = 0

    async def pages(self, last: int) -> AsyncIterator[Page]:
        """Yield the messages up to place `last` in order; ends early when others have taken the rest.

        A page's bodies are dropped when the next page is asked for. Raises BrokerUnavailable.
        """
        while (left := min(last, self.total) - self.read) > 0:
            page = await self._read_page(min(left, self._next_size()))
            yield page
            page.deliveries.clear()
            if not page.holding:
                self._held.remove(page)
                await page.close()
            if not page.is_full:
                return

    async def release(self) -> None:
        """Put back, in their order, all messages that were not removed.

        The broker puts them behind those that were put back before, so these are taken too, up to the first
        message that nobody has seen; where that takes too long, the order changes and nothing else.
        """
        try:
            async with asyncio.timeout(REORDER_SECONDS):
                while self._held and self._may_follow:
                    (await self._read_page(min(self.total - self.read, self._next_size()))).deliveries.clear()
        except (TimeoutError, BrokerUnavailable) as error:
            log.warning("messages.reordered", queue=self._queue, reason=describe(error))
        finally:
            await self._put_back()

    async def _put_back(self) -> None:
        if self._held:
            await self._held[-1].stop()  # or it would be sent what the others put back
        while self._held:
            await self._close(self._held.pop(0))

    async def _close(self, page: Page) -> None:
        """Put a page back, and wait until the queue has it: it hears of a closed channel after we do."""
        whole = await self._count_waiting() + page.holding if self._held else 0
        await page.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(RETURN_SECONDS):
                while whole and await self._count_waiting() < whole:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)

    async def _count_waiting(self) -> float:
        """Return how many messages wait; without end where the broker does not say, so that nobody waits for it."""
        try:
            return await count_messages(self._connection, self._queue)
        except BrokerUnavailable:
            return inf

    async def _read_page(self, size: int) -> Page:
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        with broker_calls():
            await channel.tx_select(timeout=TIMEOUT_SECONDS)
        intake = Intake(channel, self._connection)
        page = Page(channel, intake, self.read + 1, size)
        self._held.append(page)
        await intake.start([self._queue], size, TIMEOUT_SECONDS)
        for _ in range(MOST_QUIET):
            if await page.fill() or await count_messages(self._connection, self._queue) == 0:
                break
        else:
            raise BrokerUnavailable(f"{self._queue} holds messages, but the broker delivers none")
        await page.stop()
        self.read += page.read
        self._may_follow = page.is_full and page.deliveries[-1].redelivered and self.read < self.total
        self._bytes += sum(len(delivery.body) for delivery in page.deliveries)
        return page

    def _next_size(self) -> int:
        average = self._bytes // self.read + 1 if self.read else PAGE_BYTES
        wanted = min(self._sizes.largest, max(self._sizes.first, PAGE_BYTES // average))
        return max(wanted, self.total // MOST_PAGES)


async def count_messages(connection: FilteredConnection, queue: str) -> int:
    """Return how many messages wait in a queue; those that consumers hold do not count.

    Raises BrokerUnavailable, also when there is no such queue.
    """
    return (await look_at_queue(connection, queue, TIMEOUT_SECONDS)).messages
