"""One life of the client's connection: nothing in it is restored, the next life begins anew.

Answers come to an exclusive queue of the link and not by direct reply-to. A direct address is good for the channel
that asked and for nothing else, and RabbitMQ closes the connection of whoever answers to one that it cannot read
any more (rabbitmq/rabbitmq-server#3751); an answer to a queue that is gone is dropped and harms nobody.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, time
from typing import Final, Self
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError

from contracts.client.errors import Misconfigured
from contracts.client.messages import Message
from contracts.client.sealing import Seal
from contracts.client.tracing import trace_headers
from contracts.hosts import split_hosts
from contracts.signing import SignatureFault
from contracts.topology import EXCLUSIVE_ARGUMENTS, REPLY_QUEUE_PREFIX, RPC_KEY, Topology

HEARTBEAT_SECONDS: Final = 5  # a silent broker is noticed after 18 s; below 5 there are false alarms
OPEN_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 3.0
REFUSED_SECONDS: Final = 1.0

LOST: Final = (OSError, TimeoutError, EOFError, AMQPError, RuntimeError)
REFUSED: Final = (
    AuthenticationError,
    ProbableAuthenticationError,
    ConnectionNotAllowed,
    ChannelAccessRefused,
)

NOT_LET_IN: Final = (
    "the broker does not let us in: no such virtual host, no right to enter it, or too many connections"
)

TakeAnswer = Callable[[str, bytes, SignatureFault | None], None]
"""Takes the correlation id and the body of an answer, and what is wrong with its signature."""


class LinkLost(Exception):
    """The link is over, or could not be made; the next one may do."""


@contextmanager
def broker_calls() -> Iterator[None]:
    """Raise LinkLost or Misconfigured in place of whatever the libraries raise.

    aiormq may end a call with a CancelledError of its own when a channel closes: only one that somebody asked
    this task for is a cancellation.
    """
    try:
        yield
    except REFUSED as error:
        raise Misconfigured(f"the broker refuses us: {error}") from error
    except (
        InvalidFrameError
    ) as error:  # aiormq takes its refusal for a frame out of turn, and does not tell its words
        raise LinkLost(NOT_LET_IN) from error
    except LOST as error:
        raise LinkLost(f"{type(error).__name__}: {error}"[:200]) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise LinkLost("the channel was closed") from error
    except Exception as error:
        if type(error) is not Exception:  # so ends a publication in flight when we close the connection
            raise
        raise LinkLost("the connection was closed") from error


class Link:
    """An open connection with one channel; `lost` is done when it is over, whoever ended it."""

    def __init__(
        self,
        connection: AbstractConnection,
        channel: AbstractChannel,
        exchange: AbstractExchange,
        topology: Topology,
        seal: Seal,
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._exchange = exchange
        self._topology = topology
        self._seal = seal
        self._reply_to = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        self._refused: dict[str, float] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, name: str, topology: Topology, take: TakeAnswer, seal: Seal) -> Self:
        """Return a link that hands every answer to `take`; the broker lists it under `name`.

        Raises LinkLost, or Misconfigured where the broker does not let us in.
        """
        connection = await open_connection(url, name)
        try:
            with broker_calls():
                async with asyncio.timeout(OPEN_SECONDS):
                    return await cls._over(connection, topology, take, seal)
        except BaseException:
            await close_quietly(connection)
            raise

    @classmethod
    async def _over(
        cls, connection: AbstractConnection, topology: Topology, take: TakeAnswer, seal: Seal
    ) -> Self:
        async def on_answer(message: AbstractIncomingMessage) -> None:
            take(str(message.correlation_id), message.body, seal.find_fault(message))

        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(topology.sessions.name, ensure=False)
        link = cls(connection, channel, exchange, topology, seal)
        for closing in (connection.close_callbacks, channel.close_callbacks):
            closing.add(link._lose)
        inner = await channel.get_underlay_channel()
        inner.on_consumer_cancel_callbacks.add(link._lose)  # somebody deleted the queue
        replies = await channel.declare_queue(
            link._reply_to, exclusive=True, arguments=dict(EXCLUSIVE_ARGUMENTS)
        )
        await replies.consume(on_answer, no_ack=True)
        return link

    async def publish(self, message: Message, seconds: float, correlation_id: str | None) -> bool:
        """Return whether the broker has the message; with a `correlation_id` it is to be answered.

        Raises Misconfigured where no queue is bound for it or we may not publish.
        """
        try:
            with broker_calls():
                await self._exchange.publish(
                    self._amqp_message(message, seconds, correlation_id), message.routing_key, timeout=seconds
                )
        except LinkLost as lost:
            if isinstance(lost.__cause__, PublishError | ChannelNotFoundEntity):
                wanted = f"{self._topology.prefix}{message.routing_key}"
                raise Misconfigured(
                    f"the broker has no queue {wanted}, or the node that holds it is down; "
                    "run: session-store topology"
                ) from lost
            if self._channel.is_closed or self._is_refused_too_long(message.routing_key):
                self._lose()
            return False
        self._refused.pop(message.routing_key, None)
        return True

    def _is_refused_too_long(self, routing_key: str) -> bool:
        """Return whether the broker has refused what goes there for a while: another channel may fare better.

        A channel whose first message comes before a quorum queue has a new leader is refused for ever, though the
        queue takes messages from all others (seen on RabbitMQ 3.10.8 when a node was killed).
        """
        return monotonic() - self._refused.setdefault(routing_key, monotonic()) > REFUSED_SECONDS

    async def close(self) -> None:
        """Leave the connection closed, or abandoned when the broker does not answer in time."""
        await close_quietly(self._connection)

    def _lose(self, *_: object) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def _amqp_message(self, message: Message, seconds: float, correlation_id: str | None) -> aio_pika.Message:
        is_request = message.routing_key == RPC_KEY
        deadline = {"deadline": int((time() + seconds) * 1000)} if is_request else {}
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
        self._seal.sign(published, message.routing_key)
        return published


async def open_connection(url: str, name: str) -> AbstractConnection:
    """Return a connection that the broker lists under `name`, to the first of the URL's hosts that answers.

    Each host has its share of the time. Raises LinkLost, Misconfigured.
    """
    *others, last = split_hosts(url)
    share = OPEN_SECONDS / (len(others) + 1)
    with broker_calls():
        for host in others:
            with suppress(*LOST):
                return await _connect(host, name, share)
        return await _connect(last, name, share)


async def _connect(url: str, name: str, seconds: float) -> AbstractConnection:
    return await aio_pika.connect(
        url, timeout=seconds, heartbeat=HEARTBEAT_SECONDS, client_properties={"connection_name": name}
    )


async def close_quietly(connection: AbstractConnection) -> None:
    """Leave the connection closed, or abandoned when the broker does not answer in time."""
    with suppress(LinkLost, Misconfigured), broker_calls():
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
