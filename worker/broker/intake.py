"""One channel: its consumers, their deliveries that wait to be received, and their acknowledgements."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPChannelError
from pamqp import commands

from worker.broker.acknowledgements import Acknowledgements
from worker.broker.connection import FilteredConnection, broker_calls, close_quietly
from worker.broker.consumer import Consumer
from worker.broker.consumers import Consumers, Owner
from worker.broker.delivery import Delivery
from worker.broker.frame_writer import FrameWriter
from worker.errors import BrokerUnavailable

BATCH_EVENT_BYTES: Final = 12 * 1024
CLOSED: Final = "closed"
"""The end of an intake that `close` ended."""

T = TypeVar("T")


class Intake:
    """One channel, its consumers and their deliveries, for as long as the channel lives.

    Delivery tags mean nothing on another channel: after a loss everything received here is dropped
    and the broker delivers it again.
    """

    def __init__(self, channel: AbstractChannel, connection: FilteredConnection) -> None:
        self._channel = channel
        self._acknowledgements = Acknowledgements(FrameWriter(channel, connection.writer))
        owner = Owner(self._arrive, lambda: self.is_open, self.mark_lost)
        self._consumers = Consumers(channel, connection.frames, self._acknowledgements, owner)
        self._deliveries: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel.closing.add_done_callback(lambda closing: self.mark_lost(_reason_of(closing)))
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)
        self._stopped = False

    @property
    def is_open(self) -> bool:
        """Whether deliveries that were received here can still be acknowledged."""
        return not self.lost.done()

    @property
    def loss(self) -> str | None:
        """Why the channel was lost; None while it is open, and where `close` ended it."""
        reason = self.lost.result() if self.lost.done() else CLOSED
        return None if reason == CLOSED else reason

    @property
    def queues(self) -> frozenset[str]:
        """The queues that are consumed."""
        return frozenset(consumer.queue for consumer in self._consumers)

    @property
    def unacknowledged(self) -> int:
        """How many deliveries the broker waits to have acknowledged."""
        return len(self._acknowledgements)

    @property
    def last_arrival(self) -> float:
        """When the last delivery came or the last consumer started, monotonic; 0 before."""
        return max((consumer.arrived for consumer in self._consumers), default=0.0)

    async def wait_while_open(self, seconds: float) -> bool:
        """Wait for so many seconds, or until the channel is lost; return whether it is open."""
        if self.is_open:
            await asyncio.wait((self.lost,), timeout=seconds)
        return self.is_open

    async def run_until_lost(self, work: Coroutine[None, None, T]) -> T:
        """Return the result of `work`, unless the channel is lost first: it is cancelled then.

        A call that hangs must not keep us from a new channel. Raises BrokerUnavailable.
        """
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait((working, self.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()  # its result is not needed any more; a finished task stays finished
        if not working.done():
            raise BrokerUnavailable(f"the channel was lost: {self.lost.result()}")
        return working.result()

    def oldest(self) -> list[float]:
        """Return when the oldest waiting delivery was received, as a list of none or one."""
        return [self._deliveries[0].received] if self._deliveries else []

    async def start(
        self,
        queues: Sequence[str],
        prefetch: int,
        timeout: float,
        priority_prefetch: int = 0,
        *,
        by_bytes: bool = False,
    ) -> None:
        """Consume `queues` with fresh tags, at most `prefetch` unacknowledged deliveries each.

        With `priority_prefetch` so many of them are for a consumer with priority, and the rest for a spare one. With
        `by_bytes` the spare one comes when it is needed, and is smaller where deliveries are large (`Window`).
        Raises BrokerUnavailable when the broker does not let us.
        """
        with broker_calls():
            await self._consumers.start(queues, prefetch, timeout, priority_prefetch, by_bytes)

    async def receive(self, limit: int, linger: float = 0.0) -> list[Delivery]:
        """Wait for deliveries and return up to `limit` of them in order; empty when there will be none.

        With fewer there it waits up to `linger` seconds for more, unless the prefetch is used up. Bodies of
        12 KiB times `limit` are enough too: each is held in memory several times over.
        """
        while not self._deliveries:
            if self._stopped or not self.is_open:
                return []
            await self._arrival()
        if linger:
            with suppress(TimeoutError):
                async with asyncio.timeout(linger):
                    while len(self._deliveries) < limit and self._more_may_come():
                        await self._arrival()
        received: list[Delivery] = []
        size, most = 0, limit * BATCH_EVENT_BYTES
        while self._deliveries and len(received) < limit and size < most:
            received.append(self._deliveries.popleft())
            size += len(received[-1].body)
        return received

    async def _arrival(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _more_may_come(self) -> bool:
        return self.is_open and not self._stopped and len(self._acknowledgements) < self._consumers.prefetch

    async def acknowledge(self, tag: int, *, multiple: bool = False) -> bool:
        """Acknowledge a delivery (with `multiple` every earlier one too); False when the channel is gone."""
        if not self.is_open:
            return False
        try:
            await self._acknowledgements.send(tag, multiple)
        except BrokerUnavailable as error:
            self.mark_lost(str(error))
            return False
        return True

    async def stop(self, timeout: float, *, hold: bool = True) -> None:
        """Cancel the consumers; earlier deliveries can still be received and acknowledged.

        With `hold` they leave a quorum queue without a redelivery (`worker.broker.leaving`): acknowledgements are
        held back meanwhile. That takes 5 s at most.
        """
        try:
            await self._consumers.stop(timeout, hold)
        except BrokerUnavailable as error:
            self.mark_lost(str(error))
        self._stopped = True
        self._changed.set()

    async def close(self) -> None:
        """Close the channel: unacknowledged deliveries go back to their queues."""
        self.mark_lost(CLOSED)
        await close_quietly(self._channel)
        self._consumers.forget()

    def mark_lost(self, reason: str) -> None:
        """Drop the deliveries: the channel is gone, and the broker delivers them again."""
        if not self.lost.done():
            self.lost.set_result(reason)
        self._deliveries.clear()
        self._changed.set()

    def _arrive(self, consumer: Consumer, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._acknowledgements.expect(delivery.tag, consumer)
        consumer.arrived = delivery.received
        consumer.is_fresh = consumer.is_fresh and consumer.held < consumer.prefetch
        if not self._changed.is_set():
            self._changed.set()

    def _on_cancel(self, frame: commands.Basic.Cancel) -> None:
        self.mark_lost(f"the broker cancelled consumer {frame.consumer_tag}: its queue is gone or moved")


def _reason_of(closing: "asyncio.Future[Any]") -> str:
    """Return the end of a channel for people: with the broker's words where it closed the channel alone."""
    error = None if closing.cancelled() else closing.exception()
    said = f": {error}" if isinstance(error, AMQPChannelError) else ""
    return f"the channel was closed{said}"[:200]
