"""Publishes what was committed, many messages at once, each confirmed by the broker."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel

from contracts.events import CLOUD_EVENT
from worker.broker.connection import FilteredConnection, broker_calls, describe, open_channel
from worker.broker.delivery import Properties
from worker.broker.outbox import Frame, frames_of
from worker.errors import BrokerUnavailable

PROPERTIES: Final = Properties(content_type=CLOUD_EVENT, delivery_mode=2)


class ChangeMessage(NamedTuple):
    """What is told of one session."""

    routing_key: str
    body: bytes


class ChangesLine:
    """A channel with confirms that publishes changes and nothing else.

    All messages of a call are one write to the connection's stream: aiormq's `basic_publish` would cost more than
    everything else that is done for an event. The confirmations are aiormq's own, by the channel's count of messages.
    """

    def __init__(self, channel: Channel, connection: FilteredConnection) -> None:
        self._channel = channel
        self._connection = connection

    @property
    def closing(self) -> asyncio.Future[object]:
        """Done once the channel is gone."""
        return self._channel.closing

    async def publish(
        self, exchange: str, messages: Sequence[ChangeMessage]
    ) -> list[tuple[ChangeMessage, str]]:
        """Return the messages that the broker refused, and why; all others it has confirmed.

        A message for which nobody has bound a queue is confirmed too. Waits for as long as the channel lasts.
        Raises BrokerUnavailable.
        """
        with broker_calls():
            confirmations = self._write(exchange, messages)
            told = await self._unless_closed(asyncio.gather(*confirmations, return_exceptions=True))
        return [
            (message, describe(error))
            for message, error in zip(messages, told, strict=True)
            if isinstance(error, BaseException)
        ]

    async def _unless_closed(self, told: "asyncio.Future[list[object]]") -> list[object]:
        waiting: set[asyncio.Future[Any]] = {told, self.closing}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            return told.result()
        told.cancel()
        raise BrokerUnavailable("the channel of the changes feed was closed")

    def _write(self, exchange: str, messages: Sequence[ChangeMessage]) -> list[asyncio.Future[object]]:
        if self._channel.is_closed or self._connection.writer.is_closing():
            raise BrokerUnavailable("the channel is closed")
        frames: list[Frame] = []
        confirmations = []
        for message in messages:
            frames.extend(frames_of(exchange, message.routing_key, PROPERTIES, message.body))
            confirmation: asyncio.Future[object] = self._channel.create_future()
            self._channel.delivery_tag += 1
            self._channel.confirmations[self._channel.delivery_tag] = confirmation
            confirmations.append(confirmation)
        self._connection.writer.write(ChannelFrame.marshall(self._channel.number, frames).payload)
        return confirmations


async def open_changes(connection: FilteredConnection, timeout: float) -> ChangesLine:
    """Return a line on a channel of its own; raises BrokerUnavailable."""
    return ChangesLine(
        cast(Channel, await open_channel(connection, confirms=True, timeout=timeout)), connection
    )
