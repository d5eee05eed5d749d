"""An engine that never gives up: it repeats each event until the broker confirms it, or its outcome comes."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import Topology
from tests.support.stage.history import Answer, History, Sent
from tests.support.stage.wire import DIRECT_REPLY, Wire

SENDERS: Final = 128
ASK_SECONDS: Final = 1.0


class Producer:
    """Publishes through every fault of the broker, and records its events and their confirmations."""

    def __init__(self, url: str, topology: Topology, history: History) -> None:
        self.history = history
        self._wire = Wire(url, topology.sessions.name, self._take)
        self._waiting: dict[str, asyncio.Event] = {}

    async def publish(self, events: Iterable[Sent], rate: float | None = None) -> None:
        """Publish events; returns once the broker has confirmed all.

        `rate` is in events a second; None is without a limit.
        """
        source = _Pace(iter(events), rate)
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(self._send(source))

    async def ask(self, event: Sent) -> Answer:
        """Publish an event, again every second, until its confirmation comes, and return the confirmation."""
        while not self.history.answers.get(event.number):
            await self._publish(event)
            await self._wait_for_answer(event, ASK_SECONDS)
        return self.history.answers[event.number][0]

    async def ask_again(self) -> None:
        """Return once every event that asks for a confirmation has one."""
        places = asyncio.Semaphore(SENDERS)
        async with asyncio.TaskGroup() as asking:
            for event in self.history.unanswered():
                asking.create_task(self._ask_patiently(event, places))

    def follow(self, url: str) -> None:
        """Use this URL from the next connection on: a restarted broker may have another port."""
        self._wire.url = url

    async def close(self) -> None:
        """Close the connection."""
        await self._wire.close()

    async def _ask_patiently(self, event: Sent, places: asyncio.Semaphore) -> None:
        async with places:
            await self._wait_for_answer(event, ASK_SECONDS)
            await self.ask(event)

    async def _send(self, source: "_Pace") -> None:
        while (event := await source.next()) is not None:
            await self._publish(event)

    async def _publish(self, event: Sent) -> None:
        self.history.note_attempt(event)
        await self._wire.publish(_message_of(event), event.routing_key)
        self.history.confirmed.add(event.number)

    async def _wait_for_answer(self, event: Sent, seconds: float) -> None:
        answered = self._waiting.setdefault(event.number, asyncio.Event())
        if self.history.answers.get(event.number):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await answered.wait()

    def _take(self, message: AbstractIncomingMessage) -> None:
        told = orjson.loads(message.body)
        number = str(message.correlation_id)
        self.history.note_answer(Answer(number, told["id"], told["outcome"], told.get("first")))
        if answered := self._waiting.get(number):
            answered.set()


class _Pace:
    """Returns events at a rate."""

    def __init__(self, events: Iterator[Sent], rate: float | None) -> None:
        self._events = events
        self._interval = 1 / rate if rate else 0.0
        self._due = asyncio.get_running_loop().time()

    async def next(self) -> Sent | None:
        event = next(self._events, None)
        if event is not None and self._interval:
            self._due += self._interval
            await asyncio.sleep(max(0.0, self._due - asyncio.get_running_loop().time()))
        return event


def _message_of(event: Sent) -> aio_pika.Message:
    return aio_pika.Message(
        event.body,
        content_type="application/cloudevents+json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=event.number,
        reply_to=DIRECT_REPLY if event.asks else None,
        correlation_id=event.number if event.asks else None,
    )
