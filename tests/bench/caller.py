"""Asks questions over the broker, and measures the times of the answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import Final

from pamqp.commands import Basic

from tests.bench.wire import Line, open_line
from worker.broker.delivery import Delivery

ANSWER_SECONDS: Final = 30.0

Ask = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Answered:
    """The number of answers a second, and each answer's time in milliseconds."""

    rate: float
    times: list[float]


class Caller:
    """A line with one reply queue."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._reply_to = ""
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._numbers = count()

    async def ask(self, routing_key: str, body: bytes, content_type: str, exchange: str = "") -> bytes:
        """Return the answer's body; raises TimeoutError."""
        correlation_id = str(next(self._numbers))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = answer
        properties = Basic.Properties(
            reply_to=self._reply_to, correlation_id=correlation_id, content_type=content_type
        )
        await self._line.send(body, routing_key, properties, exchange)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer

    async def listen(self) -> None:
        """Begin to receive answers."""
        self._reply_to = await self._line.listen(self._take)

    def _take(self, delivery: Delivery) -> None:
        properties = delivery.read_properties()
        answer = self._waiting.pop(str(properties and properties.correlation_id), None)
        if answer and not answer.done():
            answer.set_result(delivery.body)


@asynccontextmanager
async def open_caller(url: str) -> AsyncIterator[Caller]:
    """Yield a caller on a connection of its own."""
    async with open_line(url) as line:
        caller = Caller(line)
        await caller.listen()
        yield caller


async def ask_all(ask: Ask, number: int, callers: int) -> Answered:
    """Return the measures of `number` questions, with `callers` callers at a time."""
    times: list[float] = []

    async def go() -> None:
        for _ in range(max(number // callers, 1)):
            began = perf_counter()
            await ask()
            times.append((perf_counter() - began) * 1000)

    began = perf_counter()
    await asyncio.gather(*(go() for _ in range(callers)))
    return Answered(len(times) / (perf_counter() - began), times)
