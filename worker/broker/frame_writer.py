"""The frames to be written on a channel: all that become ready in one turn of the loop are one write."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.connection import broker_calls
from worker.errors import BrokerUnavailable

WRITE_SECONDS: Final = 5.0
MAX_WAITING_FRAMES: Final = 3_000  # more do not wait for the end of the turn; a reply has three
MAX_UNREAD_BYTES: Final = 64 * 1024  # that the peer has not read yet; with more, `write` waits

FRAME_BODY: Final = 4096 - 8  # the smallest frame_max a peer may ask for

Frame = Basic.Publish | Basic.Ack | ContentHeader | ContentBody


def frames_of(exchange: str, routing_key: str, properties: Basic.Properties, body: bytes) -> list[Frame]:
    """Return the frames that publish a message."""
    return [
        Basic.Publish(exchange=exchange, routing_key=routing_key),
        ContentHeader(body_size=len(body), properties=properties),
        *(ContentBody(body[at : at + FRAME_BODY]) for at in range(0, len(body), FRAME_BODY)),
    ]


class FrameWriter:
    """The frames of one channel that wait to be written; a write costs more than its frames.

    They go to the connection's stream and not through aiormq's queue, whose task would be woken for each.
    """

    def __init__(self, channel: AbstractChannel, writer: asyncio.StreamWriter) -> None:
        self._channel = channel
        self._writer = writer
        self._frames: list[Frame] = []

    @property
    def is_closed(self) -> bool:
        """Whether the channel is gone."""
        return self._channel.is_closed or self._writer.is_closing()

    async def write(self, frames: Iterable[Frame]) -> None:
        """Have the frames written in the order they came, at the end of this turn; raises BrokerUnavailable.

        Waits while the peer does not read. Whether the peer reads these frames is unknown.
        """
        if self.is_closed:
            raise BrokerUnavailable("the channel is closed")
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._write)
        self._frames.extend(frames)
        if len(self._frames) > MAX_WAITING_FRAMES:
            self._write()
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            with broker_calls():
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._writer.drain()

    def _write(self) -> None:
        frames, self._frames = self._frames, []
        if frames and not self.is_closed:
            self._writer.write(ChannelFrame.marshall(self._channel.number, frames).payload)
