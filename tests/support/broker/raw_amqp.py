"""A publisher of messages whose properties no library would encode, byte by byte."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, ChannelFrame

METHOD, HEADER, BODY = 1, 2, 3
PUBLISH: Final = struct.pack(">HHH", 60, 40, 0)
# Flags of the properties that follow (AMQP 0-9-1, 4.2.6.1 and the class Basic).
HEADERS, CORRELATION_ID, REPLY_TO, MESSAGE_ID, TIMESTAMP, TYPE = (1 << bit for bit in (13, 10, 9, 7, 6, 5))


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return a whole frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def header(size: int, properties: bytes) -> bytes:
    """Return the payload of a content header; `properties` begin with their flags."""
    return struct.pack(">HHQ", 60, 0, size) + properties


def short_string(text: bytes) -> bytes:
    """Return a short string."""
    return bytes([len(text)]) + text


def flagged(flag: int, value: bytes) -> bytes:
    """Return properties of which one is present."""
    return struct.pack(">H", flag) + value


def long_string(text: bytes) -> bytes:
    """Return a string as a field of a table."""
    return b"S" + struct.pack(">I", len(text)) + text


def table(*fields: bytes) -> bytes:
    """Return a table of fields, each a short string and a typed value."""
    content = b"".join(fields)
    return struct.pack(">I", len(content)) + content


def copied_to(key: str) -> bytes:
    """Return properties with the header CC, so that the broker also routes the message by this key."""
    keys = long_string(key.encode())
    return flagged(HEADERS, table(short_string(b"CC") + b"A" + struct.pack(">I", len(keys)) + keys))


def nested_headers(levels: int) -> bytes:
    """Return a table of a table of a table …"""
    table = b""
    for _ in range(levels):
        table = short_string(b"k") + b"F" + struct.pack(">I", len(table)) + table
    return struct.pack(">I", len(table)) + table


UNDECODABLE: Final = {
    "correlation_id that is not UTF-8": flagged(CORRELATION_ID, short_string(b"\xff\xfe")),
    "message_id that is not UTF-8": flagged(MESSAGE_ID, short_string(b"a\xff")),
    "type that is not UTF-8": flagged(TYPE, short_string(b"\xc3")),
    "reply_to that is not UTF-8": flagged(REPLY_TO, short_string(b"\xed\xa0\x80")),
    "timestamp in microseconds": flagged(TIMESTAMP, struct.pack(">Q", 1_762_511_400_123_000)),
    "timestamp of 64 bits": flagged(TIMESTAMP, struct.pack(">Q", 2**64 - 1)),
    "headers nested 500 deep": flagged(HEADERS, nested_headers(500)),
}


class RawPublisher:
    """Writes publications as bytes; the broker cannot distinguish them from a library's."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self._connection = connection
        self._channel = channel

    @property
    def is_open(self) -> bool:
        """Whether the connection is still open."""
        return not self._connection.is_closed

    async def publish(self, exchange: str, routing_key: str | bytes, properties: bytes, body: bytes) -> None:
        """Write one message; nothing is confirmed."""
        number = self._channel.number
        key = routing_key if isinstance(routing_key, bytes) else routing_key.encode()
        frames = [
            frame(METHOD, number, PUBLISH + short_string(exchange.encode()) + short_string(key) + b"\0"),
            frame(HEADER, number, header(len(body), properties)),
            frame(BODY, number, body),
        ]
        await self._connection.write_queue.put(ChannelFrame(b"".join(frames), should_close=False))


@asynccontextmanager
async def raw_publisher(url: str) -> AsyncIterator[RawPublisher]:
    """Yield a publisher on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        yield RawPublisher(connection, await connection.channel(publisher_confirms=False))
    finally:
        await connection.close()
