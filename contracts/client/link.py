"""One connection of the client to the broker. A lost one is not restored: the next link begins from nothing.

Replies come to an exclusive queue of the link and not by direct reply-to. A direct address is valid for the one
channel that sent the request, and RabbitMQ closes the connection of a worker that replies to an address which it
cannot decode (rabbitmq/rabbitmq-server#3751). A reply to a deleted queue is dropped, which does no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Final, Self
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    PublishError,
)

from ..limits import CHANNEL_REFUSAL_MS
from ..signing import SignatureFault
from ..topology import DEADLINE_HEADER, EXCLUSIVE_ARGUMENTS, REPLY_QUEUE_PREFIX, RPC_KEY, Topology
from .address import BrokerAddress
from .connecting import CONNECT_SECONDS, LinkLost, broker_calls, close_quietly, open_connection
from .errors import Misconfigured
from .events import OutgoingMessage
from .signer import MessageSigner
from .tracing import trace_headers

REFUSAL_SECONDS: Final = CHANNEL_REFUSAL_MS / 1000

OnReply = Callable[[str, bytes, SignatureFault | None], None]
"""Receives the correlation id and the body of a reply, and the fault of its signature."""


class Link:
    """An open connection with one channel; `lost` is done when it has ended, for any reason."""

    def __init__(
        self,
        connection: AbstractConnection,
        channel: AbstractChannel,
        exchange: AbstractExchange,
        topology: Topology,
        signer: MessageSigner,
        unblocked: Callable[[], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._unblocked = unblocked
        self._exchange = exchange
        self._topology = topology
        self._signer = signer
        self._reply_to = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        self._refused_since: dict[str, float] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls, address: BrokerAddress, name: str, topology: Topology, on_reply: OnReply, signer: MessageSigner
    ) -> Self:
        """Return a link that hands every reply to `on_reply`; the broker lists the connection under `name`.

        Raises LinkLost, or Misconfigured as `open_connection` does.
        """
        connection = await open_connection(address, name)
        try:
            with broker_calls():
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await cls._on(connection, topology, on_reply, signer)
        except BaseException:
            await close_quietly(connection)
            raise

    @classmethod
    async def _on(
        cls, connection: AbstractConnection, topology: Topology, on_reply: OnReply, signer: MessageSigner
    ) -> Self:
        async def receive(message: AbstractIncomingMessage) -> None:
            on_reply(str(message.correlation_id), message.body, signer.find_fault(message))

        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(topology.sessions.name, ensure=False)
        inner = await channel.get_underlay_channel()
        link = cls(connection, channel, exchange, topology, signer, inner.connection.ready)
        for closing in (connection.close_callbacks, channel.close_callbacks):
            closing.add(link._mark_lost)
        inner.on_consumer_cancel_callbacks.add(link._mark_lost)  # somebody deleted the queue
        replies = await channel.declare_queue(
            link._reply_to, exclusive=True, arguments=dict(EXCLUSIVE_ARGUMENTS)
        )
        await replies.consume(receive, no_ack=True)
        return link

    async def publish(
        self, message: OutgoingMessage, seconds: float, patience: float, correlation_id: str | None
    ) -> bool:
        """Return whether the broker has confirmed the message within `patience` seconds; `seconds` are its life.

        With a `correlation_id` it asks for a reply. Nothing is sent while the broker has blocked the connection.
        Raises Misconfigured where no queue is bound for the message, or we may not publish it.
        """
        try:
            with broker_calls():
                async with asyncio.timeout(patience):
                    await self._unblocked()
                    published = self._amqp_message(message, seconds, correlation_id)
                    await self._exchange.publish(published, message.routing_key)
        except LinkLost as lost:
            if isinstance(lost.__cause__, TimeoutError) and not self._channel.is_closed:
                return False
            if isinstance(lost.__cause__, PublishError | ChannelNotFoundEntity):
                queue = f"{self._topology.prefix}{message.routing_key}"
                raise Misconfigured(
                    f"the broker has no queue {queue}, or the node that holds it is down; "
                    "run: session-store topology"
                ) from lost
            if self._channel.is_closed or self._is_refused_too_long(message.routing_key):
                self._mark_lost()
            return False
        self._refused_since.pop(message.routing_key, None)
        return True

    def _is_refused_too_long(self, routing_key: str) -> bool:
        """Return whether the broker has refused this key for so long that another channel is worth an attempt.

        A channel whose first message arrives before a quorum queue has a new leader is refused permanently, while
        the queue accepts messages from all other channels (seen on RabbitMQ 3.10.8 when a node was killed).
        """
        return monotonic() - self._refused_since.setdefault(routing_key, monotonic()) > REFUSAL_SECONDS

    async def close(self) -> None:
        """Close the connection, or abandon it when the broker does not answer in time."""
        await close_quietly(self._connection)

    def _mark_lost(self, *_: object) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def _amqp_message(
        self, message: OutgoingMessage, seconds: float, correlation_id: str | None
    ) -> aio_pika.Message:
        is_request = message.routing_key == RPC_KEY
        deadline = {DEADLINE_HEADER: int((time() + seconds) * 1000)} if is_request else {}
        published = aio_pika.Message(
            message.body,
            message_id=uuid4().hex,
            content_type=message.content_type,
            delivery_mode=2 if message.persistent else 1,
            reply_to=self._reply_to if correlation_id else None,
            correlation_id=correlation_id,
            headers={**trace_headers(), **deadline},
            expiration=seconds if is_request else None,
        )
        self._signer.sign(published, message.routing_key)
        return published
