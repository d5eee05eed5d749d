"""A line to the broker that costs the measuring program as little as can be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from aiormq.abc import AbstractChannel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.topology import REPLY_QUEUE_PREFIX
from worker.broker.connection import FilteredConnection, connected, open_channel
from worker.broker.frames import Sink
from worker.broker.outbox import Frame, Outbox

SECONDS: Final = 30.0
FRAME_BODY: Final = 131_072 - 8


class Line:
    """Publishes without waiting for the broker, and hands over what comes as the worker's own intake does."""

    def __init__(self, connection: FilteredConnection, channel: AbstractChannel) -> None:
        self._frames = connection.frames
        self._channel = channel
        self._outbox = Outbox(channel, connection.writer)

    async def send(
        self, body: bytes, routing_key: str, properties: Basic.Properties, exchange: str = ""
    ) -> None:
        """Have a message written at the end of the loop's turn."""
        frames: list[Frame] = [
            Basic.Publish(exchange=exchange, routing_key=routing_key),
            ContentHeader(body_size=len(body), properties=properties),
        ]
        frames += [ContentBody(body[at : at + FRAME_BODY]) for at in range(0, len(body), FRAME_BODY)]
        await self._outbox.write(frames)

    async def listen(self, take: Sink) -> str:
        """Hand what comes to `take` from now on; returns the queue to answer to."""
        queue = tag = f"{REPLY_QUEUE_PREFIX}{uuid4().hex}"
        await self._channel.queue_declare(queue, exclusive=True)
        self._frames.add_route(tag, queue, take)
        await self._channel.basic_consume(queue, _unfiltered, no_ack=True, consumer_tag=tag)
        return queue


@asynccontextmanager
async def open_line(url: str) -> AsyncIterator[Line]:
    """Yield a line on a connection of its own."""
    async with connected(url, "bench", SECONDS) as connection:
        yield Line(connection, await open_channel(connection, confirms=False, timeout=SECONDS))


async def _unfiltered(message: object) -> None:
    raise AssertionError(f"the filter let {message} pass")
