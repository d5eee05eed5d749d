"""What a channel's consumers delivered and nobody has taken yet."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import TypeVar

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp import commands

from worker.broker.connection import FilteredConnection, broker_calls, close_quietly
from worker.broker.consumer import Consumer, consumers_of
from worker.broker.delivery import Delivery
from worker.broker.frame_writer import FrameWriter
from worker.errors import BrokerUnavailable

log = structlog.get_logger()

HOLD_SECONDS = 3.5
SPARE_SECONDS = 1.5
POLL_SECONDS = 0.02
ENOUGH_BYTES = 16 * 1024 * 1024

T = TypeVar("T")


class Intake:
    """One channel, its consumers and their deliveries, for as long as the channel lives.

    Delivery tags mean nothing on another channel: after a loss everything taken from here is dropped
    and the broker delivers it again.
    """

    def __init__(self, channel: AbstractChannel, connection: FilteredConnection) -> None:
        self._channel = channel
        self._outbox = FrameWriter(channel, connection.writer)
        self._frames = connection.frames
        self._deliveries: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._consumers: list[Consumer] = []
        self._prefetch = 0
        self._unacknowledged: dict[int, Consumer] = {}
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel.closing.add_done_callback(lambda _: self.lose("the channel was closed"))
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)
        self._stopped = False
        self._held: list[tuple[int, bool]] | None = None

    @property
    def is_open(self) -> bool:
        """True while deliveries taken from here can still be acknowledged."""
        return not self.lost.done()

    @property
    def unacknowledged(self) -> int:
        """How many deliveries the broker waits to have acknowledged."""
        return len(self._unacknowledged)

    async def lasts(self, seconds: float) -> bool:
        """Wait so long, or until the channel is lost; return whether it is there still."""
        if self.is_open:
            await asyncio.wait((self.lost,), timeout=seconds)
        return self.is_open

    async def outlive(self, work: Coroutine[None, None, T]) -> T:
        """Return what `work` returns, unless the channel is lost first: it is cancelled then.

        A call that hangs must not keep us from a new channel. Raises BrokerUnavailable.
        """
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait((working, self.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()  # nobody waits any more; what is done stays done
        if not working.done():
            raise BrokerUnavailable("the channel was lost")
        return working.result()

    def oldest(self) -> list[float]:
        """Return when the oldest waiting delivery was received, as a list of none or one."""
        return [self._deliveries[0].received] if self._deliveries else []

    async def start(self, queues: Sequence[str], prefetch: int, timeout: float, quiet: int = 0) -> None:
        """Consume `queues` with fresh tags, at most `prefetch` unacknowledged deliveries each.

        With `quiet` so many of them are for a consumer that comes first, and the rest for a spare one.
        Raises BrokerUnavailable when the broker does not let us.
        """
        self._prefetch = prefetch
        with broker_calls():
            for consumer in consumers_of(queues, prefetch, quiet):
                await self._channel.basic_qos(prefetch_count=consumer.prefetch, timeout=timeout)
                self._frames.add_route(consumer.tag, consumer.queue, partial(self._arrive, consumer))
                unfiltered = partial(self._take_unfiltered, consumer)
                await self._channel.basic_consume(
                    consumer.queue,
                    unfiltered,
                    consumer_tag=consumer.tag,
                    arguments=consumer.arguments,
                    timeout=timeout,
                )
                self._consumers.append(consumer)

    async def take(self, limit: int, linger: float = 0.0) -> list[Delivery]:
        """Wait for deliveries and return up to `limit` of them in order; empty when there will be none.

        With fewer there it waits up to `linger` seconds for more, unless the prefetch is used up. Bodies of 16 MiB
        together are enough too: what is taken is held in memory several times over.
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
        taken: list[Delivery] = []
        size = 0
        while self._deliveries and len(taken) < limit and size < ENOUGH_BYTES:
            taken.append(self._deliveries.popleft())
            size += len(taken[-1].body)
        return taken

    async def _arrival(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _more_may_come(self) -> bool:
        return self.is_open and not self._stopped and len(self._unacknowledged) < self._prefetch

    async def acknowledge(self, tag: int, *, multiple: bool = False) -> bool:
        """Acknowledge a delivery (with `multiple` every earlier one too); False when the channel is gone."""
        if not self.is_open:
            return False
        if self._held is not None:
            self._held.append((tag, multiple))
            return True
        return await self._acknowledge(tag, multiple)

    async def _acknowledge(self, tag: int, multiple: bool) -> bool:
        self._forget(tag, multiple)
        try:
            await self._outbox.write((commands.Basic.Ack(tag, multiple),))
        except BrokerUnavailable as error:
            self.lose(str(error))
            return False
        return True

    def _forget(self, tag: int, multiple: bool) -> None:
        earlier = list(takewhile(lambda known: known < tag, self._unacknowledged)) if multiple else []
        for number in (*earlier, tag):
            if consumer := self._unacknowledged.pop(number, None):
                consumer.held -= 1

    async def stop(self, timeout: float, *, hold: bool = True) -> None:
        """Cancel the consumers; what was delivered before can still be taken and acknowledged.

        A quorum queue takes back what is on its way to a consumer that cancels, and counts it as delivered
        (rabbitmq/rabbitmq-server#3729). With `hold` a spare consumer leaves while the queue has no use for it, and
        for the others acknowledgements are held back until their prefetch is used up, and nothing can be on its
        way, or the queue has been silent for a while. All that takes 5 s at most.
        """
        try:
            with broker_calls():
                if hold:
                    await self._cancel_spare(timeout)
                    self._held = []
                deadline = monotonic() + HOLD_SECONDS
                for consumer in self._consumers:
                    if hold:
                        await self._wait_until(consumer.can_cancel, deadline)
                    await self._channel.basic_cancel(consumer.tag, timeout=timeout)
                # what a classic queue had sent before is here once the channel answers again
                await self._channel.basic_qos(prefetch_count=self._prefetch, timeout=timeout)
        except BrokerUnavailable as error:
            self.lose(str(error))
        while self._held and self.is_open:  # in the order they came, those that come meanwhile behind
            held, self._held = self._held, []
            for number, multiple in _fewest(held):
                await self._acknowledge(number, multiple)
        self._held = None
        self._stopped = True
        self._changed.set()

    async def _cancel_spare(self, timeout: float) -> None:
        deadline = monotonic() + SPARE_SECONDS
        for consumer in [each for each in self._consumers if each.before]:
            await self._wait_until(consumer.is_idle_spare, deadline)
            if consumer.is_idle_spare():
                await self._channel.basic_cancel(consumer.tag, timeout=timeout)
                self._consumers.remove(consumer)

    async def _wait_until(self, is_so: Callable[[], bool], deadline: float) -> None:
        while self.is_open and not is_so() and monotonic() < deadline:  # noqa: ASYNC110 - time changes it too
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Close the channel: whatever is unacknowledged goes back to its queue."""
        self.lose("closed")
        await close_quietly(self._channel)

    def lose(self, reason: str) -> None:
        """Drop what was delivered: the channel is gone, and the broker delivers it again."""
        if not self.lost.done():
            self.lost.set_result(reason)
        self._deliveries.clear()
        self._changed.set()

    def _arrive(self, consumer: Consumer, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._unacknowledged[delivery.tag] = consumer
        consumer.held += 1
        consumer.arrived = delivery.received
        if not self._changed.is_set():
            self._changed.set()

    def _on_cancel(self, frame: commands.Basic.Cancel) -> None:
        self.lose(f"the broker cancelled consumer {frame.consumer_tag}: its queue is gone or moved")

    async def _take_unfiltered(self, consumer: Consumer, message: DeliveredMessage) -> None:
        """Take what the library delivered all the same: its seam has moved, and the filter sees nothing."""
        log.error("frames.not_filtered", queue=consumer.queue)
        frame = message.delivery
        if isinstance(frame, commands.Basic.Deliver):
            tag, again, key = frame.delivery_tag or 0, bool(frame.redelivered), frame.routing_key or ""
            delivery = Delivery(consumer.queue, tag, again, key, message.header.marshal(), message.body)
            self._arrive(consumer, delivery)


def _fewest(held: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """Return fewer acknowledgements that say the same: of those that cover all before them the last will do."""
    covering = [(tag, multiple) for tag, multiple in held if multiple]
    return covering[-1:] + [(tag, multiple) for tag, multiple in held if not multiple]
