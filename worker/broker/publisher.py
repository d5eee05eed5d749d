"""Publishes with confirms: dead letters, and replayed messages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4
from weakref import WeakValueDictionary

from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError, PublishError

from contracts.outcomes import DeadLetterCode
from worker.broker.connection import broker_calls, close_quietly, describe
from worker.broker.delivery import Properties
from worker.broker.properties import header_room
from worker.errors import BrokerUnavailable

PUBLISH_SECONDS: Final = 10.0

Reopen = Callable[[], Awaitable[AbstractChannel]]


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """A message for the dead-letter exchange: its body and properties as they came, and headers with the reason."""

    code: DeadLetterCode
    routing_key: str
    properties: Properties
    body: bytes


class Publisher:
    """A channel with confirms on a connection of its own, so that publishing never waits for consuming."""

    def __init__(
        self,
        channel: AbstractChannel,
        reopen: Reopen | None = None,
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        self._channel = channel
        self._reopen = reopen
        self._on_loss = on_loss
        self._in_flight = 0
        self._watch(channel)
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def header_room(self) -> int:
        """How many bytes the properties of a message may have: the broker closes a connection with a larger frame."""
        return header_room(self._channel.connection.connection_tune.frame_max)

    async def publish_dead_letters(
        self, exchange: str, dead_letters: Sequence[DeadLetterMessage]
    ) -> list[tuple[DeadLetterMessage, str]]:
        """Return the dead letters that the broker refused, and why; all others it has confirmed on a queue.

        Waits for as long as the channel is open: a message that was written to a broker that blocks us would be
        there twice if it were written again.
        """
        publishing = [
            self.publish(exchange, each.routing_key, each.properties, each.body, timeout=None)
            for each in dead_letters
        ]
        results = await asyncio.gather(*publishing, return_exceptions=True)
        if any(isinstance(result, BrokerUnavailable) for result in results):
            await self._change_channel()
        return [
            (each, describe(result))
            for each, result in zip(dead_letters, results, strict=True)
            if isinstance(result, BaseException)
        ]

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        properties: Properties,
        body: bytes,
        timeout: float | None = PUBLISH_SECONDS,
    ) -> None:
        """Return once the broker has confirmed the message on a queue; raises BrokerUnavailable otherwise."""
        self._in_flight += 1
        try:
            async with self._alone(properties.message_id):
                await self._channel.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=properties,
                    mandatory=True,
                    timeout=timeout,
                )
        except BrokerUnavailable as error:
            match error.__cause__:
                case PublishError():
                    raise BrokerUnavailable(f"exchange {exchange} routes to no queue") from error
                case DeliveryError():
                    raise BrokerUnavailable(f"the broker refused a message for {exchange}: full?") from error
            raise
        finally:
            self._in_flight -= 1

    async def _change_channel(self) -> None:
        """Publish by another channel from now on.

        A channel whose first message comes before a quorum queue has a new leader is refused permanently, though
        the queue accepts messages from all others (seen on RabbitMQ 3.10.8 when a node was killed).
        """
        if self._reopen is None or self._channel.is_closed:
            return
        with suppress(BrokerUnavailable):
            left = fresh = await self._reopen()
            if not self._in_flight:
                left, self._channel = self._channel, fresh
                self._watch(fresh)
            await close_quietly(left)

    def _watch(self, channel: AbstractChannel) -> None:
        channel.closing.add_done_callback(lambda _: self._lose(channel))

    def _lose(self, channel: AbstractChannel) -> None:
        if channel is self._channel and self._on_loss is not None:
            self._on_loss()

    @asynccontextmanager
    async def _alone(self, message_id: str | None) -> AsyncIterator[None]:
        """Have only one message of an id in flight: aiormq tells by the id which message was returned."""
        lock = self._sending.setdefault(message_id or uuid4().hex, asyncio.Lock())
        with broker_calls():
            async with lock:
                yield
