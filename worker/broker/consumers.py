"""The consumers of one channel: how they start, grow or shrink by the size of what comes, and leave."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp import commands

from worker.broker.acknowledgements import Acknowledgements
from worker.broker.connection import broker_calls
from worker.broker.consumer import Consumer, consumers_of
from worker.broker.delivery import Delivery
from worker.broker.frames import FrameFilter, Sink
from worker.broker.leaving import Leaving
from worker.broker.window import Window
from worker.errors import BrokerUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Owner:
    """The intake that the consumers are for: takes deliveries, and says and is told whether the channel is there."""

    arrive: Callable[[Consumer, Delivery], None]
    is_open: Callable[[], bool]
    mark_lost: Callable[[str], None]


class Consumers:
    """All consumers of one channel."""

    def __init__(
        self, channel: AbstractChannel, frames: FrameFilter, acknowledgements: Acknowledgements, owner: Owner
    ) -> None:
        self._channel = channel
        self._frames = frames
        self._acknowledgements = acknowledgements
        self._owner = owner
        self._consumers: list[Consumer] = []
        self._windows: list[Window] = []
        self._tags: list[str] = []
        self._timeout = 0.0
        self._starting = (
            asyncio.Lock()
        )  # basic.qos is for the next consumer on the channel, and two may start
        self._resizing: asyncio.Task[None] | None = None
        self._leaves = False
        self.prefetch = 0
        """How many deliveries of one queue may be unacknowledged now."""

    def __iter__(self) -> Iterator[Consumer]:
        """Iterate over those that have started and were not cancelled."""
        return iter(self._consumers)

    async def start(
        self, queues: Sequence[str], prefetch: int, timeout: float, priority_prefetch: int, by_bytes: bool
    ) -> None:
        """Start the consumers of `queues`; arguments as of `Intake.start`. Raises what the library raises."""
        self._timeout, self.prefetch = timeout, prefetch
        for consumer in consumers_of(queues, prefetch, priority_prefetch):
            if not by_bytes:
                await self._start(consumer, partial(self._owner.arrive, consumer))
            elif consumer.primary is None:
                window = Window(consumer, prefetch - consumer.prefetch)
                self._windows.append(window)
                self.prefetch = window.prefetch
                await self._start(consumer, partial(self._arrive, window, consumer))

    async def stop(self, timeout: float, hold: bool) -> None:
        """Cancel all; with `hold` without a redelivery, as of `Intake.stop`. Raises BrokerUnavailable."""
        self._leaves, self._timeout = True, timeout
        if self._resizing:
            await self._resizing
        leaving = self._leaving(self._consumers)
        with broker_calls():
            if hold:
                await leaving.cancel_idle_spares()
                self._acknowledgements.hold()
                await leaving.cancel_when_full()
            else:
                await leaving.cancel_all()
            # deliveries that a classic queue had sent before are here once the channel answers again
            await self._channel.basic_qos(prefetch_count=self.prefetch, timeout=self._timeout)
        if self._owner.is_open():
            await self._acknowledgements.release()

    def forget(self) -> None:
        """Have the frames of the channel, which is closed, no longer taken for deliveries."""
        for tag in self._tags:
            self._frames.remove_route(tag)

    def _leaving(self, consumers: Sequence[Consumer]) -> Leaving:
        return Leaving(self._channel, consumers, self._owner.is_open, self._timeout)

    async def _start(self, consumer: Consumer, sink: Sink) -> None:
        async with self._starting:
            await self._channel.basic_qos(prefetch_count=consumer.prefetch, timeout=self._timeout)
            self._frames.add_route(consumer.tag, consumer.queue, sink)
            self._tags.append(consumer.tag)
            await self._channel.basic_consume(
                consumer.queue,
                partial(receive_unfiltered, consumer.queue, sink),
                consumer_tag=consumer.tag,
                arguments=consumer.arguments,
                timeout=self._timeout,
            )
        consumer.arrived = monotonic()
        self._consumers.append(consumer)

    def _arrive(self, window: Window, consumer: Consumer, delivery: Delivery) -> None:
        self._owner.arrive(consumer, delivery)
        if window.is_misfit(len(delivery.body), consumer) and not (self._resizing or self._leaves):
            self._resizing = asyncio.create_task(self._resize(window))

    async def _resize(self, window: Window) -> None:
        try:
            with broker_calls():
                if window.is_too_large():
                    await self._shrink(window)
                elif spare := window.grow():
                    await self._start(spare, partial(self._arrive, window, spare))
        except BrokerUnavailable as error:
            self._owner.mark_lost(str(error))
        finally:
            self.prefetch = max(each.prefetch for each in self._windows)
            self._resizing = None

    async def _shrink(self, window: Window) -> None:
        """Cancel the spare consumers, without a redelivery where that is possible."""
        self._acknowledgements.hold()
        await self._leaving(window.spares).cancel_when_full()
        self._consumers = [each for each in self._consumers if each not in window.spares]
        window.shrink()
        await self._acknowledgements.release()


async def receive_unfiltered(queue: str, sink: Sink, message: DeliveredMessage) -> None:
    """Receive a delivery that the library did not send through the frame filter: its seam has moved."""
    log.error("frames.not_filtered", queue=queue)
    frame = message.delivery
    if isinstance(frame, commands.Basic.Deliver):
        tag, again, key = frame.delivery_tag or 0, bool(frame.redelivered), frame.routing_key or ""
        sink(Delivery(queue, tag, again, key, message.header.marshal(), message.body))
