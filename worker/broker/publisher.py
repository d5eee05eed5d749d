"""What the worker publishes with confirms: dead letters, and replayed ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4
from weakref import WeakValueDictionary

from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError, PublishError

from contracts.outcomes import DeadLetterCode
from worker.broker.connection import broker_calls, describe
from worker.broker.delivery import Properties
from worker.errors import BrokerUnavailable

PUBLISH_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message, body and properties as they came, with the headers that say why."""

    code: DeadLetterCode
    routing_key: str
    properties: Properties
    body: bytes


class Publisher:
    """A channel with confirms on a connection of its own, so that publishing never waits for consuming."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def publish_dead_letters(
        self, exchange: str, letters: Sequence[DeadLetter]
    ) -> list[tuple[DeadLetter, str]]:
        """Return the letters that the broker refused, and why; all others it has confirmed on a queue.

        Waits for as long as the channel lasts. What was written to a broker that blocks us would be there
        twice if it were written again.
        """
        publishing = [
            self.publish(exchange, letter.routing_key, letter.properties, letter.body, timeout=None)
            for letter in letters
        ]
        results = await asyncio.gather(*publishing, return_exceptions=True)
        return [
            (letter, describe(result))
            for letter, result in zip(letters, results, strict=True)
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

    @asynccontextmanager
    async def _alone(self, message_id: str | None) -> AsyncIterator[None]:
        """Never have two messages of one id in flight: aiormq tells by the id which of them was returned."""
        lock = self._sending.setdefault(message_id or uuid4().hex, asyncio.Lock())
        with broker_calls():
            async with lock:
                yield
