"""Reads a queue without changing it: consumes its messages unacknowledged and returns them in their order.

AMQP has no other way to look into a queue. Other consumers do not get the messages until they are returned, and each
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
from worker.broker.topology import read_certain_queue_state
from worker.errors import BrokerUnavailable

log = structlog.get_logger()

PAGE_BYTES: Final = 32 * 1024 * 1024
MAX_PAGES: Final = 1000  # a page has a channel of its own, and a connection at most 2,047
TIMEOUT_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 1.0
MAX_QUIET_PERIODS: Final = 30
REORDER_SECONDS: Final = 30.0
RETURN_SECONDS: Final = 1.0
LAST_RETURN_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class PageSizes:
    """The number of messages of the first page, and the most of any page."""

    first: int = 64
    largest: int = 2000


class Page:
    """Consecutive messages of a queue, unacknowledged; `first` is the place of the first one in the queue."""

    def __init__(self, channel: AbstractChannel, intake: Intake, first: int, size: int) -> None:
        self._channel = channel
        self._intake = intake
        self._size = size
        self._removed = 0
        self.first = first
        self.read_count = 0
        self.deliveries: list[Delivery] = []

    @property
    def is_full(self) -> bool:
        """Whether as many messages came as the page may hold."""
        return self.read_count == self._size

    @property
    def unreturned(self) -> int:
        """How many messages were read and neither removed nor returned."""
        return self.read_count - self._removed

    async def read(self) -> bool:
        """Read until the page is full; False when nothing came for a second. Raises BrokerUnavailable."""
        while not self.is_full:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    received = await self._intake.receive(self._size - self.read_count)
            except TimeoutError:
                return False
            self._add(received)
        return True

    async def stop(self) -> None:
        """Stop the delivery of messages to this page; messages that were in transit are in it."""
        await self._intake.stop(TIMEOUT_SECONDS)
        while self._intake.is_open and (received := await self._intake.receive(self._size)):
            self._add(received)

    async def remove(self, tags: Sequence[int]) -> None:
        """Remove messages, by their delivery tags, from the queue; the broker has committed it when this returns.

        One transaction, because a channel holds back acknowledgements beyond 32 in flight for a while, and loses them
        when it is closed (`rabbit_fifo_client`, soft limit; seen on 3.10.8).
        Raises BrokerUnavailable when the channel is lost: the broker may have returned the messages to the queue.
        """
        for tag in tags:
            if not await self._intake.acknowledge(tag):
                raise BrokerUnavailable(self._intake.lost.result())
        with broker_calls():
            await self._channel.tx_commit(timeout=TIMEOUT_SECONDS)
        self._removed += len(tags)

    async def close(self) -> None:
        """Return the messages that were not removed to the queue."""
        await self._intake.close()

    def _add(self, received: Sequence[Delivery]) -> None:
        if not received:
            raise BrokerUnavailable(self._intake.lost.result())
        self.deliveries.extend(received)
        self.read_count += len(received)


class QueuePeek:
    """The first `total` messages of a queue, page by page.

    A page is small because the broker loads every message of a prefetch into memory (quorum queues of RabbitMQ 3.10).
    It has a consumer of its own because a consumer whose messages are unacknowledged gets no more. Pages are returned
    in their order, so that the queue is as it was. When the connection is cut the broker returns the pages itself, in
    any order.
    """

    def __init__(self, connection: FilteredConnection, queue: str, total: int, sizes: PageSizes) -> None:
        self._connection = connection
        self._queue = queue
        self._sizes = sizes
        self._held: list[Page] = []
        self._bytes = 0
        self._may_follow = False
        self.total = total
        self.read_count = 0

    async def pages(self, last: int) -> AsyncIterator[Page]:
        """Yield the messages up to place `last` in order; ends early when other consumers have the rest.

        A page's bodies are dropped when the next page is asked for. Raises BrokerUnavailable.
        """
        while (remaining := min(last, self.total) - self.read_count) > 0:
            page = await self._read_page(min(remaining, self._next_size()))
            yield page
            page.deliveries.clear()
            if not page.unreturned:
                self._held.remove(page)
                await page.close()
            if not page.is_full:
                return

    async def release(self) -> None:
        """Return all messages that were not removed to the queue, in their order.

        The broker puts them behind messages that were returned before, so those are read too, up to the first
        message that was never delivered; where that takes over 30 s the order changes, and nothing else.
        """
        try:
            async with asyncio.timeout(REORDER_SECONDS):
                while self._held and self._may_follow:
                    page = await self._read_page(min(self.total - self.read_count, self._next_size()))
                    page.deliveries.clear()
        except (TimeoutError, BrokerUnavailable) as error:
            log.warning("messages.reordered", queue=self._queue, reason=describe(error))
        finally:
            await self._put_back()

    async def _put_back(self) -> None:
        if self._held:
            await self._held[-1].stop()  # or it would be sent the messages that the others return
        while self._held:
            await self._close(self._held.pop(0))

    async def _close(self, page: Page) -> None:
        """Return a page, and wait until the queue has its messages: it learns of a closed channel after we do.

        The reading must not end while the last messages are in transit: the next reader, such as an erasure, would
        not find them. They do not come back while another consumer takes them.
        """
        expected = await self._count_waiting() + page.unreturned if page.unreturned else 0
        await page.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(RETURN_SECONDS if self._held else LAST_RETURN_SECONDS):
                while expected and await self._count_waiting() < expected:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)

    async def _count_waiting(self) -> float:
        """Return the number of messages that wait; infinity where the broker does not answer, to end the wait."""
        try:
            return await count_messages(self._connection, self._queue)
        except BrokerUnavailable:
            return inf

    async def _read_page(self, size: int) -> Page:
        channel = await open_channel(self._connection, confirms=False, timeout=TIMEOUT_SECONDS)
        with broker_calls():
            await channel.tx_select(timeout=TIMEOUT_SECONDS)
        intake = Intake(channel, self._connection)
        page = Page(channel, intake, self.read_count + 1, size)
        self._held.append(page)
        await intake.start([self._queue], size, TIMEOUT_SECONDS)
        for _ in range(MAX_QUIET_PERIODS):
            if await page.read() or await count_messages(self._connection, self._queue) == 0:
                break
        else:
            raise BrokerUnavailable(f"{self._queue} holds messages, but the broker delivers none")
        await page.stop()
        self.read_count += page.read_count
        self._may_follow = page.is_full and page.deliveries[-1].redelivered and self.read_count < self.total
        self._bytes += sum(len(delivery.body) for delivery in page.deliveries)
        return page

    def _next_size(self) -> int:
        average = self._bytes // self.read_count + 1 if self.read_count else PAGE_BYTES
        messages = min(self._sizes.largest, max(self._sizes.first, PAGE_BYTES // average))
        return max(messages, self.total // MAX_PAGES)


async def count_messages(connection: FilteredConnection, queue: str) -> int:
    """Return the number of messages that wait in a queue; messages that consumers hold do not count.

    Raises BrokerUnavailable, also when there is no such queue.
    """
    return (await read_certain_queue_state(connection, queue, TIMEOUT_SECONDS)).messages
