"""A message as the bytes that publish it, without the library's objects for each of its frames."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiormq.abc import ChannelFrame
from pamqp.commands import Basic
from pamqp.encode import field_table, short_string

from worker.broker.delivery import Properties
from worker.broker.frames import BODY, FRAME, FRAME_END, HEADER

FRAME_HEAD_AND_END: Final = 8
SMALLEST_FRAME: Final = 4096
"""The smallest `frame_max` that a peer may ask for."""

_END: Final = bytes([FRAME_END])
_BASIC: Final = b"\x00\x3c\x00\x00"  # the class, and a weight without meaning
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _CORRELATION_ID = (
    Properties.flags[name] for name in ("content_type", "headers", "delivery_mode", "correlation_id")
)
_NOT_KEPT: Final = b"\x01"
KNOWN_ADDRESSES: Final = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """The exchange and the routing key of a message; without an exchange the key is a queue's name."""

    routing_key: str
    exchange: str = ""


def message_of(
    channel: int, address: Address, properties: bytes, body: bytes, frame_bytes: int = SMALLEST_FRAME
) -> bytes:
    """Return the frames that publish a message; none is larger than `frame_bytes`, the peer's `frame_max`.

    `properties` are the flags and the values of a content header. Raises TypeError for an address of more than 255
    bytes.
    """
    header = _BASIC + len(body).to_bytes(8) + properties
    frames = [_publish(channel, address), FRAME.pack(HEADER, channel, len(header)), header, _END]
    frames.extend(_body_frames(channel, body, frame_bytes - FRAME_HEAD_AND_END))
    return b"".join(frames)


def reply_properties(content_type: bytes, correlation_id: str, headers: Mapping[str, str] | None) -> bytes:
    """Return the flags and the values of a message that need not be kept; raises TypeError as `message_of`."""
    flags, table, number = _CONTENT_TYPE | _DELIVERY_MODE, b"", b""
    if headers:
        flags |= _HEADERS
        table = field_table(dict(headers))
    if correlation_id:
        flags |= _CORRELATION_ID
        number = short_string(correlation_id)
    return b"".join((flags.to_bytes(2), content_type, table, _NOT_KEPT, number))


def _body_frames(channel: int, body: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        part = body[at : at + size]
        yield FRAME.pack(BODY, channel, len(part))
        yield part
        yield _END


@lru_cache(KNOWN_ADDRESSES)
def _publish(channel: int, address: Address) -> bytes:
    publish = Basic.Publish(exchange=address.exchange, routing_key=address.routing_key)
    return bytes(ChannelFrame.marshall(channel, [publish]).payload)
