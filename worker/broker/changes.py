"""Publishes committed changes, many messages at once, each confirmed by the broker."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from typing import Any, Final, NamedTuple

from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.signing import Keyring, change_content
from contracts.topology import EVENT_CONTENT_TYPE, SIGNATURE_HEADER
from worker.broker.connection import FilteredConnection, broker_calls, open_channel
from worker.broker.delivery import Properties
from worker.broker.frames import BODY, FRAME, FRAME_END
from worker.broker.message import FRAME_HEAD_AND_END, SMALLEST_FRAME
from worker.errors import BrokerUnavailable

PROPERTIES: Final = Properties(content_type=EVENT_CONTENT_TYPE, delivery_mode=2)
_FRAME_BODY: Final = SMALLEST_FRAME - FRAME_HEAD_AND_END
_END: Final = bytes([FRAME_END])
_SIZE: Final = slice(11, 19)  # of the body, in a header's frame: behind the frame's head, class and weight
REFUSED: Final = "the broker refused it: a queue that is bound is full?"


class ChangeMessage(NamedTuple):
    """The message about one session, and its signature where there are keys."""

    routing_key: str
    body: bytes
    signature: str | None = None


def sign_changes(
    messages: Sequence[ChangeMessage], exchange: str, keyring: Keyring
) -> Sequence[ChangeMessage]:
    """Return the messages signed for that exchange; unchanged without keys."""
    if not keyring:
        return messages
    return [
        ChangeMessage(key, body, keyring.sign(change_content(exchange, key, body)))
        for key, body, _ in messages
    ]


@dataclass(slots=True, eq=False)
class _Call:
    """Messages that were written together, numbered from `first` on, and how many the broker has not confirmed."""

    messages: Sequence[ChangeMessage]
    first: int
    unconfirmed: int
    done: "asyncio.Future[None]"
    refused: list[ChangeMessage] = field(default_factory=list)

    def confirm(self, tag: int, taken: bool) -> None:
        if not taken:
            self.refused.append(self.messages[tag - self.first])
        self.unconfirmed -= 1
        if not self.unconfirmed and not self.done.done():
            self.done.set_result(None)


class ChangesChannel:
    """A channel with confirms that publishes changes and nothing else.

    All messages of a call are one write to the connection's stream, and confirmations are counted as they arrive:
    aiormq's `basic_publish` would cost more than everything else that is done for an event.
    """

    def __init__(self, channel: AbstractChannel, connection: FilteredConnection) -> None:
        self._channel = channel
        self._connection = connection
        self._published = 0
        self._waiting: dict[int, _Call] = {}
        connection.frames.add_confirms(channel.number, self._confirm)

    @property
    def closing(self) -> "asyncio.Future[object]":
        """Done once the channel is gone."""
        return self._channel.closing

    async def publish(
        self, exchange: str, messages: Sequence[ChangeMessage]
    ) -> list[tuple[ChangeMessage, str]]:
        """Return the messages that the broker refused, and why; all others it has confirmed.

        A message without a bound queue is confirmed too. Waits for as long as the channel is open.
        Raises BrokerUnavailable.
        """
        if not messages:
            return []
        with broker_calls():
            call = self._write(exchange, messages)
            either: set[asyncio.Future[Any]] = {call.done, self.closing}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not call.done.done():
            raise BrokerUnavailable("the channel of the changes feed was closed")
        return [(message, REFUSED) for message in call.refused]

    def _write(self, exchange: str, messages: Sequence[ChangeMessage]) -> _Call:
        writer = self._connection.writer
        if self._channel.is_closed or writer.is_closing():
            raise BrokerUnavailable("the channel of the changes feed is closed")
        done = asyncio.get_running_loop().create_future()
        call = _Call(messages, self._published + 1, len(messages), done)
        self._waiting.update(dict.fromkeys(range(call.first, call.first + len(messages)), call))
        self._published += len(messages)
        number = self._channel.number
        writer.write(b"".join(part for message in messages for part in _frames_of(number, exchange, message)))
        return call

    def _confirm(self, tag: int, multiple: bool, taken: bool) -> None:
        """Note the broker's answer to a message, and to all before it where the answer covers them."""
        if multiple:
            for number in list(takewhile(lambda each: each <= tag, self._waiting)):
                self._waiting.pop(number).confirm(number, taken)
        elif call := self._waiting.pop(tag, None):
            call.confirm(tag, taken)


def _frames_of(channel: int, exchange: str, message: ChangeMessage) -> Iterator[bytes]:
    method, before, after = _head_of(channel, exchange, message.routing_key)
    if message.signature:
        before, after = _header_of(channel, _signed_properties(message.signature))
    body = message.body
    yield method
    yield before
    yield len(body).to_bytes(8)
    yield after
    for at in range(0, len(body), _FRAME_BODY):
        part = body[at : at + _FRAME_BODY]
        yield FRAME.pack(BODY, channel, len(part))
        yield part
        yield _END


@cache
def _head_of(channel: int, exchange: str, routing_key: str) -> tuple[bytes, bytes, bytes]:
    """Return a message's method frame, and its header's before and after the size of the body: all are the same."""
    publish = Basic.Publish(exchange=exchange, routing_key=routing_key)
    return ChannelFrame.marshall(channel, [publish]).payload, *_header_of(channel, PROPERTIES)


def _header_of(channel: int, properties: Properties) -> tuple[bytes, bytes]:
    header = ChannelFrame.marshall(channel, [ContentHeader(body_size=0, properties=properties)]).payload
    return header[: _SIZE.start], header[_SIZE.stop :]


def _signed_properties(signature: str) -> Properties:
    headers: dict[str, Any] = {SIGNATURE_HEADER: signature}
    return Properties(content_type=EVENT_CONTENT_TYPE, delivery_mode=2, headers=headers)


async def open_changes(connection: FilteredConnection, timeout: float) -> ChangesChannel:
    """Return a channel with confirms; raises BrokerUnavailable."""
    return ChangesChannel(await open_channel(connection, confirms=True, timeout=timeout), connection)
