"""An engine's side of the wire: publishes events, awaits their confirmations, asks questions."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import uuid4

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from contracts.topology import REPLY_QUEUE_PREFIX, RPC_KEY, Topology

Json = dict[str, object]

CONFIRM_SECONDS = 3.0  # then the event is published again, under the same id
GIVE_UP_SECONDS = 60.0


class NoAnswer(Exception):
    """The worker did not answer for a minute."""


class Engine:
    """One connection with one reply queue; answers find their question by correlation id."""

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    async def __aenter__(self) -> Self:
        """Connect, and consume answers."""
        self._connection = await aio_pika.connect(self._url)
        self._channel = await self._connection.channel()
        self._exchange = await self._channel.get_exchange(self._topology.sessions.name)
        self._replies = await self._channel.declare_queue(
            f"{REPLY_QUEUE_PREFIX}{uuid4().hex}", exclusive=True
        )
        await self._replies.consume(self._on_answer, no_ack=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the connection closed."""
        await self._connection.close()

    async def publish(self, body: bytes, routing_key: str) -> Json:
        """Publish an event and return its confirmation; it is published again while there is none."""
        return await self._ask(body, routing_key, "application/cloudevents+json")

    async def call(self, method: str, **params: object) -> Json:
        """Return the result of a request; raises NoAnswer."""
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = await self._ask(body, RPC_KEY, "application/json")
        if "result" not in answer:
            raise NoAnswer(f"{method}: {answer.get('error')}")
        result = answer["result"]
        assert isinstance(result, dict)  # noqa: S101 - what every method answers
        return result

    async def read_dead_letters(self) -> list[AbstractIncomingMessage]:
        """Return the dead letters, which stay in their queue."""
        channel = await self._connection.channel()
        queue: AbstractQueue = await channel.get_queue(self._topology.dead_queue.name)
        letters = []
        while letter := await queue.get(fail=False):
            letters.append(letter)
        await channel.close()
        return letters

    async def _ask(self, body: bytes, routing_key: str, content_type: str) -> Json:
        correlation_id = uuid4().hex
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = answer
        message = aio_pika.Message(
            body,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            reply_to=self._replies.name,
            correlation_id=correlation_id,
        )
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while not answer.done():
                    await self._exchange.publish(message, routing_key)
                    await asyncio.wait((answer,), timeout=CONFIRM_SECONDS)
        except TimeoutError as error:
            raise NoAnswer(f"no worker answered a message for {routing_key}") from error
        finally:
            del self._waiting[correlation_id]
        return answer.result()

    async def _on_answer(self, message: AbstractIncomingMessage) -> None:
        with suppress(KeyError, asyncio.InvalidStateError):
            self._waiting[str(message.correlation_id)].set_result(orjson.loads(message.body))
