"""A line to the broker with the lowest cost for the measuring program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.topology import REPLY_QUEUE_PREFIX
from worker.broker.connection import FilteredConnection, connected, open_channel
from worker.broker.frame_writer import FrameWriter
from worker.broker.frames import Sink
from worker.broker.message import Address, message_of

PROPERTIES: Final = slice(12, None)  # in a content header, after class, weight and the size of the body
SECONDS: Final = 30.0


class Line:
    """Publishes without waiting for the broker, and receives deliveries as the worker's own intake does."""

    def __init__(self, connection: FilteredConnection, channel: AbstractChannel) -> None:
        self._frames = connection.frames
        self._channel = channel
        self._writer = FrameWriter(channel, connection.writer)

    async def send(
        self, body: bytes, routing_key: str, properties: Basic.Properties, exchange: str = ""
    ) -> None:
        """Write a message at the end of the event loop's turn."""
        values = ContentHeader(body_size=0, properties=properties).marshal()[PROPERTIES]
        address = Address(routing_key, exchange)
        await self._writer.write(message_of(self._writer.channel, address, values, body))

    async def listen(self, take: Sink) -> str:
        """Give every delivery to `take` from now on; returns the name of the queue for replies."""
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
