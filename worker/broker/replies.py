"""Sends replies to callers and publishers, without confirms, on a connection of their own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pamqp.encode import short_string

from worker.broker.connection import (
    FilteredConnection,
    broker_calls,
    close_quietly,
    open_channel,
    open_connection,
)
from worker.broker.frame_writer import FrameWriter
from worker.broker.message import SMALLEST_FRAME, Address, message_of, reply_properties
from worker.errors import BrokerUnavailable

REPLY_SECONDS: Final = 5.0
JSON: Final = short_string("application/json")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a caller or a publisher, already in bytes.

    `sign` is False for a refusal of an unverified request: an attacker could damage a copy of a genuine request, and
    would get a signed refusal to pass on.
    """

    reply_to: str
    correlation_id: str
    body: bytes
    headers: Mapping[str, str] | None = None
    sign: bool = True


SignReply = Callable[[str, bytes], Mapping[str, str]]
"""Takes the correlation id and the body of a reply and returns the headers that sign it."""


def no_signature(_correlation_id: str, _body: bytes) -> Mapping[str, str]:
    """Return no header."""
    return {}


class ReplyChannel:
    """A connection for replies alone, opened for the first one, and again for the next after a loss.

    A direct reply-to address that the broker cannot decode, made up or of another cluster, makes it close the
    connection that the reply came by (rabbitmq/rabbitmq-server#3751): that must cost no consumer.
    """

    def __init__(
        self, url: Callable[[], str], name: str, timeout: float, sign: SignReply = no_signature
    ) -> None:
        self._url = url
        self._sign = sign
        self._name = name
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._connection: FilteredConnection | None = None
        self._writer: FrameWriter | None = None
        self._frame_bytes = SMALLEST_FRAME

    async def send(self, replies: Sequence[Reply]) -> bool:
        """Write all replies at once; False when the broker did not take them in time.

        A reply is not confirmed by the broker: a caller that has gone, or lost it, asks again.
        """
        if not replies:
            return True
        try:
            with broker_calls():
                writer = self._writer
                if writer is None or writer.is_closed:
                    async with asyncio.timeout(REPLY_SECONDS):
                        writer = await self._open()
                await writer.write(b"".join([self._message_of(reply, writer.channel) for reply in replies]))
        except BrokerUnavailable:
            return False
        return True

    @property
    def connection(self) -> FilteredConnection | None:
        """The connection that is open; None before the first reply."""
        return self._connection

    async def close(self) -> None:
        """Leave the connection closed."""
        connection, self._connection, self._writer = self._connection, None, None
        if connection is not None:
            await close_quietly(connection)

    async def _open(self) -> FrameWriter:
        async with self._opening:
            if self._writer is None or self._writer.is_closed:
                await self.close()
                self._connection = await open_connection(self._url(), self._name, self._timeout)
                channel = await open_channel(self._connection, confirms=False, timeout=self._timeout)
                self._frame_bytes = self._connection.frame_bytes
                self._writer = FrameWriter(channel, self._connection.writer)
            return self._writer

    def _message_of(self, reply: Reply, channel: int) -> bytes:
        signed = self._sign(reply.correlation_id, reply.body) if reply.sign else {}
        headers = {**reply.headers, **signed} if reply.headers else signed
        properties = reply_properties(JSON, reply.correlation_id, headers)
        return message_of(channel, Address(reply.reply_to), properties, reply.body, self._frame_bytes)
