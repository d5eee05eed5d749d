"""Everything the worker publishes: dead letters with confirms, replies without."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4
from weakref import WeakValueDictionary

from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.outcomes import DeadLetterCode
from worker.broker.connection import broker_calls, describe
from worker.broker.delivery import Properties
from worker.errors import BrokerUnavailable

PUBLISH_SECONDS: Final = 10.0
REPLY_SECONDS: Final = 5.0
FRAME_BODY: Final = 4096 - 8  # the smallest frame_max a peer may ask for


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to whoever asked, already in bytes."""

    reply_to: str
    correlation_id: str
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message, body and properties as they came, with the headers that say why."""

    code: DeadLetterCode
    routing_key: str
    properties: Properties
    body: bytes


class Publisher:
    """Two channels on a connection of their own, so that publishing never waits for consuming."""

    def __init__(self, confirmed: AbstractChannel, unconfirmed: AbstractChannel) -> None:
        self._confirmed = confirmed
        self._unconfirmed = unconfirmed
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
                await self._confirmed.basic_publish(
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

    async def send_replies(self, replies: Sequence[Reply]) -> bool:
        """Write all replies at once; False when the connection did not take them in time.

        A reply is not confirmed by the broker: a caller that has gone, or lost it, asks again.
        """
        frames = [frame for reply in replies for frame in _frames_of(reply)]
        if not frames:
            return True
        written = self._unconfirmed.create_future()  # rejected when the channel goes
        payload = ChannelFrame.marshall(self._unconfirmed.number, frames, drain_future=written)
        try:
            with broker_calls():
                async with asyncio.timeout(REPLY_SECONDS):
                    await self._unconfirmed.connection.write_queue.put(payload)
                    await written
        except BrokerUnavailable:
            return False
        return True


def _frames_of(reply: Reply) -> list[Basic.Publish | ContentHeader | ContentBody]:
    properties = Properties(
        content_type=reply.content_type, correlation_id=reply.correlation_id, delivery_mode=1
    )
    return [
        Basic.Publish(exchange="", routing_key=reply.reply_to),
        ContentHeader(body_size=len(reply.body), properties=properties),
        *(ContentBody(reply.body[at : at + FRAME_BODY]) for at in range(0, len(reply.body), FRAME_BODY)),
    ]
