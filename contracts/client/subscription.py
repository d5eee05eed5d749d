"""One subscription to the changes feed: it ends with its connection or its queue."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from time import monotonic
from typing import Final, NamedTuple, Self
from uuid import uuid4

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelLockedResource

from ..limits import CHANGES_PREFETCH, FORGETTABLE_BINDING_MS
from ..topology import (
    CHANGES_QUEUE_PREFIX,
    EARLIER_SUBSCRIBER_ARGUMENTS,
    EXCLUSIVE_ARGUMENTS,
    SIGNATURE_HEADER,
    SUBSCRIBER_ARGUMENTS,
    Arguments,
    Topology,
)
from .address import BrokerAddress
from .connecting import CONNECT_SECONDS, LinkLost, broker_calls, close_quietly, open_connection
from .errors import Misconfigured

FORGETTABLE_SECONDS: Final = FORGETTABLE_BINDING_MS / 1000
LIMITING_MAJOR: Final = 4  # the first RabbitMQ that gives a quorum queue without a delivery limit one of 20
UNSUITABLE: Final = (ChannelNotFoundEntity, ChannelPreconditionFailed, ChannelLockedResource)


class ChangeDelivery(NamedTuple):
    """A message of the feed; the signature is the header's value of any type, None without the header."""

    routing_key: str
    body: bytes
    signature: object


class Subscription:
    """A queue that is bound to the feed and consumed; `is_new` says that it was declared just now."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._received: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._current: AbstractIncomingMessage | None = None
        self._begun = monotonic()
        self.is_new = True
        self.ended_soon = False
        """Whether it was lost so soon that a killed broker may have forgotten its binding."""

    @classmethod
    async def open(
        cls, address: BrokerAddress, name: str, topology: Topology, kinds: Collection[str], queue: str | None
    ) -> Self:
        """Return a subscription that consumes; raises LinkLost, or Misconfigured where no retry can help.

        Without a name the queue is exclusive and deleted with the connection; a named queue is durable and stays.
        """
        connection = await open_connection(address, name)
        subscription = cls(connection)
        try:
            with broker_calls():
                async with asyncio.timeout(CONNECT_SECONDS):
                    await subscription._consume(topology, kinds, queue)
        except LinkLost as lost:
            await close_quietly(connection)
            if isinstance(lost.__cause__, UNSUITABLE):
                raise Misconfigured(
                    f"cannot subscribe to {topology.changes.name}: {lost.__cause__};"
                    " run: session-store topology, or name another queue"
                ) from lost
            raise
        except BaseException:
            await close_quietly(connection)
            raise
        return subscription

    async def next(self) -> ChangeDelivery | None:
        """Return the next message; None when there will be none."""
        self._current = current = await self._received.get()
        if current is None:
            return None
        signature = current.headers.get(SIGNATURE_HEADER)
        return ChangeDelivery(current.routing_key or "", current.body, signature)

    async def acknowledge(self) -> None:
        """Acknowledge the message that was returned last; after a loss the broker delivers it again."""
        if self._current:
            with suppress(LinkLost, Misconfigured), broker_calls():
                await self._current.ack()

    def mark_lost(self, *_: object) -> None:
        """End the subscription; messages that have arrived are still returned."""
        self.ended_soon = self.ended_soon or monotonic() - self._begun < FORGETTABLE_SECONDS
        self._received.put_nowait(None)

    async def close(self) -> None:
        """Close the connection; messages that are not acknowledged return to their queue."""
        await close_quietly(self._connection)

    async def _consume(self, topology: Topology, kinds: Collection[str], name: str | None) -> None:
        self._connection.close_callbacks.add(self.mark_lost)
        arguments = await self._arguments_of(name) if name else EXCLUSIVE_ARGUMENTS
        channel = await self._connection.channel()
        channel.close_callbacks.add(self.mark_lost)
        inner = await channel.get_underlay_channel()
        inner.on_consumer_cancel_callbacks.add(self.mark_lost)  # somebody deleted the queue
        await channel.set_qos(CHANGES_PREFETCH)
        queue = await _declare(channel, name, arguments)
        for kind in kinds:
            await queue.bind(topology.changes.name, kind)
        self._begun = monotonic()
        await queue.consume(self._receive)

    async def _arguments_of(self, name: str) -> Arguments:
        """Return the arguments of a named queue, and set `is_new`.

        The queue of an earlier client stays unchanged on RabbitMQ 3. RabbitMQ 4 would silently drop a message that
        was returned to it 20 times: there it is deleted with its messages, and a new one begins with a Gap.
        """
        self.is_new = not await self._can_declare(name, passive=True)
        if not self.is_new and await self._can_declare(name, EARLIER_SUBSCRIBER_ARGUMENTS):
            if not self._limits_deliveries():
                return EARLIER_SUBSCRIBER_ARGUMENTS
            channel = await self._connection.channel()
            await channel.queue_delete(name)
            await channel.close()
            self.is_new = True
        return SUBSCRIBER_ARGUMENTS

    async def _can_declare(
        self, name: str, arguments: Arguments | None = None, *, passive: bool = False
    ) -> bool:
        """Whether the queue exists, or exists with these arguments."""
        channel = await self._connection.channel()
        try:
            await channel.declare_queue(name, durable=True, passive=passive, arguments=dict(arguments or {}))
        except UNSUITABLE:
            return False
        await channel.close()
        return True

    def _limits_deliveries(self) -> bool:
        transport = self._connection.transport
        version = transport.connection.server_properties.get("version", "") if transport else ""
        major = str(version).partition(".")[0]
        return major.isdigit() and int(major) >= LIMITING_MAJOR

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        self._received.put_nowait(message)


async def _declare(channel: AbstractChannel, name: str | None, arguments: Arguments) -> AbstractQueue:
    if name is None:
        unique = f"{CHANGES_QUEUE_PREFIX}{uuid4().hex}"
        return await channel.declare_queue(unique, exclusive=True, arguments=dict(arguments))
    return await channel.declare_queue(name, durable=True, arguments=dict(arguments))
