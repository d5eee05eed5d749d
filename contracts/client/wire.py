"""The client's link to the broker: publishes, asks, and connects again by itself.

Replies come to an exclusive queue of this client and not by direct reply-to: that would bind every question to
the one channel that consumes the answers.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, time
from uuid import uuid4

import aio_pika
import orjson
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError, PublishError

from contracts.client.errors import Closed, Misconfigured, TimedOut
from contracts.topology import REPLY_QUEUE_PREFIX, RPC_KEY, Topology

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5
CONNECT_SECONDS = 5.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 3.0
ASK_AGAIN_SECONDS = 2.0

Answer = dict[str, object]

LOST = (OSError, TimeoutError, EOFError, AMQPError, RuntimeError)
REFUSED = (aio_pika.exceptions.ProbableAuthenticationError, aio_pika.exceptions.AuthenticationError)


@dataclass(frozen=True, slots=True)
class Message:
    """What to publish; with `persistent` it survives the broker, without it is worth nothing past its deadline."""

    body: bytes
    routing_key: str
    content_type: str
    persistent: bool
    what: str


@dataclass(slots=True)
class Link:
    """One life of the connection."""

    connection: aio_pika.abc.AbstractConnection
    exchange: AbstractExchange
    reply_to: str
    lost: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def lose(self) -> None:
        """Say that this life is over."""
        if not self.lost.done():
            self.lost.set_result(None)


class Wire:
    """Keeps one connection; every call takes a deadline (monotonic, in seconds) and outlives a reconnection."""

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._link: asyncio.Future[Link] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    def open(self) -> None:
        """Begin to connect; calls wait for it."""
        self._link = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Leave the connection closed; calls in flight raise Closed."""
        if self._keeper is None or self._link is None:
            return
        keeper, self._keeper = self._keeper, None
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Closed("the client was closed"))

    async def publish(self, message: Message, deadline: float) -> None:
        """Return once the broker has confirmed the message on a queue; raises TimedOut, Misconfigured, Closed."""
        while True:
            link = await self._connected(message.what, deadline)
            if await self._send(link, message, deadline, None):
                return
            await self._rest(message.what, deadline)

    async def ask(self, message: Message, deadline: float) -> Answer:
        """Publish, and return the answer; published again, unchanged, after a reconnection or a long silence."""
        correlation_id = uuid4().hex
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # Marked as looked at: perhaps nobody waits any more when it comes.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting[correlation_id] = answer
        try:
            while True:
                link = await self._connected(message.what, deadline)
                if await self._send(link, message, deadline, correlation_id):
                    await self._await_answer(answer, link, message, deadline)
                if answer.done():
                    return answer.result()
                await self._rest(message.what, deadline)
        finally:
            del self._waiting[correlation_id]

    async def _await_answer(
        self, answer: asyncio.Future[Answer], link: Link, message: Message, deadline: float
    ) -> None:
        """Wait for the answer, the loss of the link, or the time to publish an event once more."""
        left = max(deadline - monotonic(), 0.0)
        patience = min(left, ASK_AGAIN_SECONDS) if message.persistent else left
        waited_for: set[asyncio.Future[object]] = {answer, link.lost}  # type: ignore[arg-type]
        await asyncio.wait(waited_for, timeout=patience, return_when=asyncio.FIRST_COMPLETED)

    async def _connected(self, what: str, deadline: float) -> Link:
        if self._keeper is None or self._link is None:
            raise Closed("the client is not open")
        if self._keeper.done():
            self._keeper.result()
        waited_for: set[asyncio.Future[object]] = {self._link, self._keeper}  # type: ignore[arg-type]
        left = max(deadline - monotonic(), 0.0)
        await asyncio.wait(waited_for, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return self._link_or_reason(what)

    def _link_or_reason(self, what: str) -> Link:
        if self._keeper is None or self._link is None:
            raise Closed("the client was closed")
        if self._link.done():
            return self._link.result()
        if self._keeper.done():
            self._keeper.result()
        raise TimedOut(what)

    async def _send(self, link: Link, message: Message, deadline: float, correlation_id: str | None) -> bool:
        """Return whether the broker has the message; raises Misconfigured where no queue is bound for it."""
        left = deadline - monotonic()
        if left <= 0:
            raise TimedOut(message.what)
        try:
            await link.exchange.publish(
                _amqp_message(message, left, link.reply_to, correlation_id), message.routing_key, timeout=left
            )
        except (PublishError, ChannelNotFoundEntity) as error:
            wanted = f"{self._topology.prefix}{message.routing_key}"
            raise Misconfigured(f"the broker has no queue {wanted}; run: session-store topology") from error
        except DeliveryError:
            return False
        except LOST:
            return False
        return True

    async def _rest(self, what: str, deadline: float) -> None:
        if monotonic() >= deadline:
            raise TimedOut(what)
        await asyncio.sleep(min(random.uniform(0.02, 0.1), max(deadline - monotonic(), 0)))  # noqa: S311

    async def _keep(self) -> None:
        """Connect, wait for the loss, connect again; ends only when the broker refuses the login."""
        wait = FIRST_WAIT
        while True:
            try:
                link = await self._connect()
            except REFUSED as error:
                raise Misconfigured(f"the broker refuses the login: {error}") from error
            except LOST as error:
                log.warning("session store not reachable, trying again: %s", error)
                await asyncio.sleep(random.uniform(FIRST_WAIT / 2, wait))  # noqa: S311
                wait = min(wait * 2, LONGEST_WAIT)
                continue
            wait = FIRST_WAIT
            await self._hold(link)

    async def _hold(self, link: Link) -> None:
        assert self._link is not None  # noqa: S101 - `open` made it
        self._link.set_result(link)
        try:
            await link.lost
        finally:
            self._link = asyncio.get_running_loop().create_future()
            with suppress(*LOST):
                await asyncio.wait_for(link.connection.close(), CONNECT_SECONDS)

    async def _connect(self) -> Link:
        connection = await aio_pika.connect(self._url, timeout=CONNECT_SECONDS, heartbeat=HEARTBEAT_SECONDS)
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(self._topology.sessions.name, ensure=False)
            replies = await channel.declare_queue(f"{REPLY_QUEUE_PREFIX}{uuid4().hex}", exclusive=True)
            await replies.consume(self._on_answer, no_ack=True)
        except BaseException:
            await connection.close()
            raise
        link = Link(connection, exchange, replies.name)
        for closing in (connection.close_callbacks, channel.close_callbacks):
            closing.add(lambda *_: link.lose())
        return link

    async def _on_answer(self, message: AbstractIncomingMessage) -> None:
        answer = self._waiting.get(str(message.correlation_id))
        if answer is not None and not answer.done():
            answer.set_result(orjson.loads(message.body))


def _amqp_message(
    message: Message, left: float, reply_to: str, correlation_id: str | None
) -> aio_pika.Message:
    request = message.routing_key == RPC_KEY
    headers: Mapping[str, int] = {"deadline": int((time() + left) * 1000)} if request else {}
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        delivery_mode=2 if message.persistent else 1,
        reply_to=reply_to if correlation_id else None,
        correlation_id=correlation_id,
        headers=dict(headers),
        expiration=left if request else None,
    )
