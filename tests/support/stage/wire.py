"""A caller's side of the broker: publishes with confirms, receives replies, reconnects after a loss."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"
CONNECT_SECONDS: Final = 5.0  # a starved machine takes more than a second
CONFIRM_SECONDS: Final = 5.0
REST_SECONDS: Final = 0.05
REFUSED_SECONDS: Final = 1.0  # then another channel may succeed (RabbitMQ 3.10.8, a node was killed)
PATIENCE_SECONDS: Final = 300.0  # longer than any broker is away, on a starved machine too
LOST: Final = (
    OSError,
    TimeoutError,
    EOFError,
    RuntimeError,
    aio_pika.exceptions.AMQPError,
    asyncio.InvalidStateError,
)

Take = Callable[[AbstractIncomingMessage], None]


class Wire:
    """One connection, opened when it is needed and again after every loss; `take` gets the replies."""

    def __init__(self, url: str, exchange: str, take: Take) -> None:
        self.url = url
        self._exchange_name = exchange
        self._take = take
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None
        self._opening = asyncio.Lock()
        self._refused_since: float | None = None

    async def publish(self, message: aio_pika.Message, routing_key: str) -> None:
        """Publish the message repeatedly until the broker has confirmed it.

        Raises TimeoutError if it has not within five minutes.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.try_to_publish(message, routing_key):
                await asyncio.sleep(REST_SECONDS)

    async def try_to_publish(self, message: aio_pika.Message, routing_key: str) -> bool:
        """Publish once; returns False without a confirm, and then the broker may or may not have it."""
        exchange: AbstractExchange | None = None
        try:
            exchange = await self._open()
            await exchange.publish(message, routing_key, timeout=CONFIRM_SECONDS)
        except aio_pika.exceptions.DeliveryError:
            self._refused_since = self._refused_since or monotonic()
            if monotonic() - self._refused_since > REFUSED_SECONDS:
                await self._drop(exchange)
            return False
        except LOST:
            await self._drop(exchange)
            return False
        except Exception as error:
            # The library ends pending calls with a plain Exception when we close the connection.
            if type(error) is not Exception:
                raise
            return False
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._drop(exchange)  # the library cancels the call when the channel is closed
            return False
        self._refused_since = None
        return True

    async def close(self) -> None:
        """Close the connection, or abandon it."""
        await self._drop(self._exchange)

    async def _open(self) -> AbstractExchange:
        async with self._opening:
            if self._exchange is None:
                try:
                    self._exchange = await self._connect()
                except LOST:
                    await asyncio.sleep(REST_SECONDS)  # the next holder of the lock does not try at once
                    raise
            return self._exchange

    async def _connect(self) -> AbstractExchange:
        self._connection = await aio_pika.connect(self.url, timeout=CONNECT_SECONDS)
        async with asyncio.timeout(CONNECT_SECONDS):
            channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            replies = await channel.get_queue(DIRECT_REPLY, ensure=False)
            await replies.consume(self._receive, no_ack=True)
            return await channel.get_exchange(self._exchange_name, ensure=False)

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        self._take(message)

    async def _drop(self, exchange: AbstractExchange | None) -> None:
        """Close the connection of `exchange`, unless another has been opened meanwhile."""
        if exchange is not self._exchange or self._connection is None:
            return
        connection, self._connection, self._exchange = self._connection, None, None
        self._refused_since = None
        with suppress(*LOST, asyncio.CancelledError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.close()
