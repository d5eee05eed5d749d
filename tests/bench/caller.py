"""Asks over the broker and measures how long answers take."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final
from uuid import uuid4

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from contracts.topology import REPLY_QUEUE_PREFIX
from tests.bench.wire import send

ANSWER_SECONDS: Final = 30.0

Ask = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Answered:
    """How many answers a second, and each one's time in milliseconds."""

    rate: float
    times: list[float]


class Caller:
    """A connection with one reply queue."""

    def __init__(self, channel: aiormq.abc.AbstractChannel) -> None:
        self._channel = channel
        self._reply_to = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, routing_key: str, body: bytes, content_type: str, exchange: str = "") -> bytes:
        """Return the answer's body; raises TimeoutError."""
        correlation_id = uuid4().hex
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = answer
        properties = Basic.Properties(
            reply_to=self._reply_to, correlation_id=correlation_id, content_type=content_type
        )
        await send(self._channel, body, routing_key, properties, exchange)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer

    async def listen(self) -> None:
        """Begin to take answers."""
        await self._channel.queue_declare(self._reply_to, exclusive=True)
        await self._channel.basic_consume(self._reply_to, self._take, no_ack=True)

    async def _take(self, message: DeliveredMessage) -> None:
        answer = self._waiting.pop(str(message.header.properties.correlation_id), None)
        if answer and not answer.done():
            answer.set_result(message.body)


@asynccontextmanager
async def open_caller(url: str) -> AsyncIterator[Caller]:
    """Yield a caller on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        caller = Caller(await connection.channel(publisher_confirms=False))
        await caller.listen()
        yield caller
    finally:
        await connection.close()


async def ask_all(ask: Ask, number: int, callers: int) -> Answered:
    """Return how so many questions were answered, so many asked at a time."""
    times: list[float] = []

    async def go() -> None:
        for _ in range(max(number // callers, 1)):
            began = perf_counter()
            await ask()
            times.append((perf_counter() - began) * 1000)

    began = perf_counter()
    await asyncio.gather(*(go() for _ in range(callers)))
    return Answered(len(times) / (perf_counter() - began), times)
