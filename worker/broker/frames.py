"""Takes deliveries out of the byte stream before aiormq sees them.

Two reasons. A delivery whose properties cannot be decoded makes pamqp raise inside aiormq's reader, which
closes the connection; redelivered, it does so to the next replica, without end (mosquito/aiormq and gmr/pamqp
up to 7.2.4 and 4.0.1). And aiormq spends two queues and a task on each delivery, and likewise on each publisher
confirm: those of a channel that asks for them are taken out too.
All other frames go to aiormq as they came. The seam is the public `transport_factory` of `aiormq.Connection`.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from struct import Struct
from time import monotonic
from typing import Final, SupportsIndex

from worker.broker.delivery import Delivery

FRAME: Final = Struct(">BHI")  # type, channel, payload size
METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
HEARTBEAT: Final = 8
FRAME_TYPES: Final = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
FRAME_END: Final = 0xCE
DELIVER: Final = b"\x00\x3c\x00\x3c"  # class 60, method 60
ACK: Final = b"\x00\x3c\x00\x50"
NACK: Final = b"\x00\x3c\x00\x78"
CLOSE: Final = b"\x00\x0a\x00\x32"  # of the connection: code, text
BLOCKED: Final = b"\x00\x0a\x00\x3c"
UNBLOCKED: Final = b"\x00\x0a\x00\x3d"
TAG_AND_FLAG: Final = Struct(">QB")
BODY_SIZE: Final = Struct(">4xQ")
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
SILENCE_SECONDS: Final = 1.0
MAX_FRAME_BYTES: Final = 1 << 24


Sink = Callable[[Delivery], None]
"""Takes a whole delivery; must neither raise nor block."""


Confirm = Callable[[int, bool, bool], None]
"""Takes the number of a published message, whether all before it are meant too, and whether the broker has them."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the deliveries of one consumer go, and which queue they come from."""

    queue: str
    sink: Sink


@dataclass(slots=True)
class Partial:
    """A delivery in the making: method, then header, then as many body frames as its size asks for."""

    route: Route
    tag: int
    redelivered: bool
    routing_key: str
    header: bytes = b""
    missing: int = 0
    parts: list[bytes] = field(default_factory=list)

    def finish(self) -> None:
        """Hand the whole delivery to its sink."""
        body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.route.sink(
            Delivery(self.route.queue, self.tag, self.redelivered, self.routing_key, self.header, body)
        )


class BrokenStream(Exception):
    """The bytes at `position` are not an AMQP frame."""

    def __init__(self, position: int) -> None:
        super().__init__(f"no frame at byte {position}")
        self.position = position


class FrameFilter:
    """Splits the incoming bytes into deliveries for the registered consumers and bytes for aiormq."""

    def __init__(self, on_blocked: Callable[[bool], None]) -> None:
        self._routes: dict[bytes, Route] = {}
        self._confirms: dict[int, Confirm] = {}
        self._open: dict[int, Partial] = {}
        self._rest = b""
        self._broken = False
        self._shown = -SILENCE_SECONDS
        self._on_blocked = on_blocked
        self.chunks = 0
        """How often something has arrived."""
        self.close_reason = ""
        """Why the broker closed the connection, in its own words."""

    def add_route(self, consumer_tag: str, queue: str, sink: Sink) -> None:
        """Give every delivery of `consumer_tag` to `sink` from now on."""
        self._routes[consumer_tag.encode()] = Route(queue, sink)

    def remove_route(self, consumer_tag: str) -> None:
        """Forget where the deliveries of a consumer go, whose channel is closed."""
        self._routes.pop(consumer_tag.encode(), None)

    def add_confirms(self, channel: int, confirm: Confirm) -> None:
        """Give the broker's confirmations on a channel to `confirm` from now on."""
        self._confirms[channel] = confirm

    def feed(self, chunk: bytes) -> bytes:
        """Take the deliveries out of `chunk` and return the rest for aiormq."""
        self.chunks += 1
        if self._broken:
            return chunk
        data = self._rest + chunk if self._rest else chunk
        passed: list[bytes] = []
        try:
            position = self._split(data, passed)
        except BrokenStream as error:
            self._broken = True  # aiormq reads the rest, and reports its fault
            return b"".join(passed) + data[error.position :]
        self._rest = data[position:]
        if position and not passed:
            return self._heartbeat_for_aiormq()
        return b"".join(passed)

    def _heartbeat_for_aiormq(self) -> bytes:
        """Return a heartbeat a second, for aiormq takes silence for a dead peer; reading one costs it a task."""
        now = monotonic()
        if now - self._shown < SILENCE_SECONDS:
            return b""
        self._shown = now
        return HEARTBEAT_FRAME

    def _split(self, data: bytes, passed: list[bytes]) -> int:
        position, end = 0, len(data)
        while end - position > FRAME.size:
            kind, channel, size = FRAME.unpack_from(data, position)
            stop = position + FRAME.size + size
            if kind not in FRAME_TYPES or size > MAX_FRAME_BYTES:
                raise BrokenStream(position)
            if stop >= end:
                break
            if data[stop] != FRAME_END:
                raise BrokenStream(position)
            try:
                taken = self._take(kind, channel, data[position + FRAME.size : stop])
            except (IndexError, struct.error) as error:
                raise BrokenStream(position) from error
            if not taken:
                passed.append(data[position : stop + 1])
            position = stop + 1
        return position

    def _take(self, kind: int, channel: int, payload: bytes) -> bool:
        """Return True when the frame belongs to a routed delivery and aiormq must not see it."""
        if kind == METHOD:
            return self._take_method(channel, payload)
        partial = self._open.get(channel)
        if partial is None or kind == HEARTBEAT:
            return False
        if kind == HEADER:
            (partial.missing,) = BODY_SIZE.unpack_from(payload)
            partial.header = payload
        else:
            partial.missing -= len(payload)
            partial.parts.append(payload)
        if partial.missing <= 0:
            del self._open[channel]
            partial.finish()
        return True

    def _take_method(self, channel: int, payload: bytes) -> bool:
        self._open.pop(channel, None)
        name = payload[:4]
        if name == DELIVER:
            return self._take_deliver(channel, payload)
        if name in (ACK, NACK) and (confirm := self._confirms.get(channel)):
            tag, flags = TAG_AND_FLAG.unpack_from(payload, 4)
            confirm(tag, bool(flags & 1), name == ACK)
            return True
        if name in (BLOCKED, UNBLOCKED):
            self._on_blocked(name == BLOCKED)
        if name == CLOSE:
            self.close_reason = payload[7 : 7 + payload[6]].decode(errors="replace")
        return False

    def _take_deliver(self, channel: int, payload: bytes) -> bool:
        at = 5 + payload[4]
        route = self._routes.get(payload[5:at])
        if route is None:
            return False
        tag, redelivered = TAG_AND_FLAG.unpack_from(payload, at)
        at += TAG_AND_FLAG.size
        at += 1 + payload[at]  # the exchange's name
        routing_key = payload[at + 1 : at + 1 + payload[at]].decode(errors="replace")
        self._open[channel] = Partial(route, tag, bool(redelivered), routing_key)
        return True


class FilteredReader(asyncio.StreamReader):
    """A stream reader that hands aiormq only the bytes that the filter leaves."""

    def __init__(self, frames: FrameFilter) -> None:
        super().__init__(limit=2**20)
        self._frames = frames

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Filter the bytes that arrived; called by the transport, once a read."""
        left = self._frames.feed(bytes(data))
        if left:
            super().feed_data(left)
