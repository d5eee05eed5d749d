"""The frames to be written on a channel: all that become ready in one turn of the loop are one write."""

import asyncio
from typing import Final

from aiormq.abc import AbstractChannel

from worker.broker.connection import broker_calls
from worker.errors import BrokerUnavailable

WRITE_SECONDS: Final = 5.0
MAX_WAITING_BYTES: Final = 64 * 1024  # more do not wait for the end of the turn
MAX_UNREAD_BYTES: Final = 64 * 1024  # that the peer has not read yet; with more, `write` waits


class FrameWriter:
    """The frames of one channel that wait to be written; a write costs more than its frames.

    They go to the connection's stream and not through aiormq's queue, whose task would be woken for each.
    """

    def __init__(self, channel: AbstractChannel, writer: asyncio.StreamWriter) -> None:
        self._channel = channel
        self._writer = writer
        self._frames: list[bytes] = []
        self._size = 0

    @property
    def channel(self) -> int:
        """The number of the channel."""
        return self._channel.number

    @property
    def is_closed(self) -> bool:
        """Whether the channel is gone."""
        return self._channel.is_closed or self._writer.is_closing()

    async def write(self, frames: bytes) -> None:
        """Have whole frames written in the order they came, at the end of this turn; raises BrokerUnavailable.

        Waits while the peer does not read. Whether the peer reads these frames is unknown.
        """
        if self.is_closed:
            raise BrokerUnavailable("the channel is closed")
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._write)
        self._frames.append(frames)
        self._size += len(frames)
        if self._size > MAX_WAITING_BYTES:
            self._write()
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            with broker_calls():
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._writer.drain()

    def _write(self) -> None:
        frames, self._frames, self._size = self._frames, [], 0
        if frames and not self.is_closed:
            self._writer.write(b"".join(frames))
