"""What is to be written on a channel: all that becomes ready in one turn of the loop is one write."""

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

Frame = Basic.Publish | Basic.Ack | ContentHeader | ContentBody


class Outbox:
    """The frames of one channel that wait to be written; a write costs more than what is in it."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._frames: list[Frame] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the channel is gone."""
        return self._channel.is_closed

    async def write(self, frames: Iterable[Frame]) -> None:
        """Return once the frames are written, in the order they came; raises BrokerUnavailable."""
        self._frames.extend(frames)
        if self._writing is None:  # the task begins in the next turn: what else is ready joins it
            self._writing = asyncio.create_task(self._write())
        with broker_calls():
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        frames, self._frames, self._writing = self._frames, [], None
        if self.is_closed:
            raise BrokerUnavailable("the channel is closed")
        written = self._channel.create_future()  # rejected when the channel goes
        payload = ChannelFrame.marshall(self._channel.number, frames, drain_future=written)
        with broker_calls():
            async with asyncio.timeout(WRITE_SECONDS):
                await self._channel.connection.write_queue.put(payload)
                await written
