"""One life of a subscription to the changes feed: it ends with its connection or its queue."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple, Self
from uuid import uuid4

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelLockedResource

from contracts.client.errors import Misconfigured
from contracts.client.link import OPEN_SECONDS, LinkLost, broker_calls, close_quietly, open_connection
from contracts.signing import SIGNATURE_HEADER
from contracts.topology import (
    EARLIER_FOLLOWER_ARGUMENTS,
    EXCLUSIVE_ARGUMENTS,
    FOLLOWER_ARGUMENTS,
    Arguments,
    Topology,
)

QUEUE_PREFIX: Final = "session.changes."
PREFETCH: Final = 200
LIMITS_BY_ITSELF: Final = 4  # the RabbitMQ that gives a quorum queue without a delivery limit one of 20
UNSUITABLE: Final = (ChannelNotFoundEntity, ChannelPreconditionFailed, ChannelLockedResource)


class Told(NamedTuple):
    """A message that arrived; its signature whatever that is."""

    routing_key: str
    body: bytes
    signature: object


class Subscription:
    """A queue bound to the changes and consumed; `is_new` says that it was declared just now."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._current: AbstractIncomingMessage | None = None
        self.is_new = True

    @classmethod
    async def open(
        cls, url: str, name: str, topology: Topology, kinds: Collection[str], queue: str | None
    ) -> Self:
        """Return a subscription that consumes; raises LinkLost, or Misconfigured where it can never do.

        Without a name the queue is exclusive and goes with the connection; a named one is durable, and stays.
        """
        connection = await open_connection(url, name)
        subscription = cls(connection)
        try:
            with broker_calls():
                async with asyncio.timeout(OPEN_SECONDS):
                    await subscription._consume(topology, kinds, queue)
        except LinkLost as lost:
            await close_quietly(connection)
            if isinstance(lost.__cause__, UNSUITABLE):
                raise Misconfigured(
                    f"nobody can follow {topology.changes.name} so: {lost.__cause__};"
                    " run: session-store topology, or name another queue"
                ) from lost
            raise
        except BaseException:
            await close_quietly(connection)
            raise
        return subscription

    async def next(self) -> Told | None:
        """Return the next message; None when there will be none."""
        self._current = current = await self._arrived.get()
        if current is None:
            return None
        return Told(current.routing_key or "", current.body, current.headers.get(SIGNATURE_HEADER))

    async def acknowledge(self) -> None:
        """Have the message that was returned last gone from the queue; a lost one comes again anyway."""
        if self._current:
            with suppress(LinkLost, Misconfigured), broker_calls():
                await self._current.ack()

    def lose(self, *_: object) -> None:
        """End this life; what has arrived is still returned."""
        self._arrived.put_nowait(None)

    async def close(self) -> None:
        """Leave the connection closed; what is not acknowledged goes back to its queue."""
        await close_quietly(self._connection)

    async def _consume(self, topology: Topology, kinds: Collection[str], name: str | None) -> None:
        self._connection.close_callbacks.add(self.lose)
        arguments = await self._arguments_of(name) if name else EXCLUSIVE_ARGUMENTS
        channel = await self._connection.channel()
        channel.close_callbacks.add(self.lose)
        inner = await channel.get_underlay_channel()
        inner.on_consumer_cancel_callbacks.add(self.lose)  # somebody deleted the queue
        await channel.set_qos(PREFETCH)
        queue = await _declare(channel, name, arguments)
        for kind in kinds:
            await queue.bind(topology.changes.name, kind)
        await queue.consume(self._take)

    async def _arguments_of(self, name: str) -> Arguments:
        """Return how a named queue is to be declared, and note whether that makes it.

        One of an earlier client serves on RabbitMQ 3. RabbitMQ 4 drops what was returned to it 20 times, which nobody
        would be told of: there it goes, and what it held with it, and a new one begins with a Gap.
        """
        self.is_new = not await self._may_declare(name, passive=True)
        if not self.is_new and await self._may_declare(name, EARLIER_FOLLOWER_ARGUMENTS):
            if not self._limits_deliveries():
                return EARLIER_FOLLOWER_ARGUMENTS
            channel = await self._connection.channel()
            await channel.queue_delete(name)
            await channel.close()
            self.is_new = True
        return FOLLOWER_ARGUMENTS

    async def _may_declare(
        self, name: str, arguments: Arguments | None = None, *, passive: bool = False
    ) -> bool:
        """Whether the queue is there, or is there with these arguments."""
        channel = await self._connection.channel()
        try:
            await channel.declare_queue(name, durable=True, passive=passive, arguments=dict(arguments or {}))
        except (ChannelNotFoundEntity, ChannelPreconditionFailed, ChannelLockedResource):
            return False
        await channel.close()
        return True

    def _limits_deliveries(self) -> bool:
        transport = self._connection.transport
        version = transport.connection.server_properties.get("version", "") if transport else ""
        major = str(version).partition(".")[0]
        return major.isdigit() and int(major) >= LIMITS_BY_ITSELF

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._arrived.put_nowait(message)


async def _declare(channel: AbstractChannel, name: str | None, arguments: Arguments) -> AbstractQueue:
    if name is None:
        unique = f"{QUEUE_PREFIX}{uuid4().hex}"
        return await channel.declare_queue(unique, exclusive=True, arguments=dict(arguments))
    return await channel.declare_queue(name, durable=True, arguments=dict(arguments))
