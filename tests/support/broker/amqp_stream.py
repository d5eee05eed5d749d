"""The bytes that a broker sends: frames of several channels, mixed and cut anywhere."""

from dataclasses import dataclass, field
from random import Random

import pamqp.frame
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pamqp import commands
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.support.broker.raw_amqp import BODY, HEADER, METHOD, frame
from tests.support.broker.raw_amqp import header as raw_header

HEARTBEAT = Heartbeat().marshal()
randoms = st.integers(0, 2**32).map(Random)
ROUTED = ("tag.one", "tag.zwei-ä")

Facts = tuple[str, int, bool, str, bytes, bytes]
"""Consumer tag, delivery tag, redelivered, routing key, header, body."""


@dataclass(slots=True)
class Stream:
    """Bytes: the filter must take out the deliveries `taken` and leave the bytes `left`.

    Both are in order of completion.
    """

    data: bytes = b""
    taken: list[Facts] = field(default_factory=list)
    left: bytes = b""
    blocked: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Message:
    """One transmission on a channel, as frames; `taken` is None if it is for aiormq."""

    frames: list[bytes]
    taken: Facts | None = None
    blocked: bool | None = None


@st.composite
def deliveries(draw: DrawFn, channel: int) -> Message:
    """Draw a delivery to a routed or another consumer, with its body in any number of frames."""
    consumer = draw(st.sampled_from([*ROUTED, "ctag1.other", ""]))
    tag, redelivered = draw(st.integers(0, 2**63 - 1)), draw(st.booleans())
    key = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    parts = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    properties = draw(st.sampled_from([b"\x00\x00", b"\x04\x00\x02\xff\xfe", b"\x00\x40" + b"\xff" * 8]))
    body = b"".join(parts)
    method = commands.Basic.Deliver(consumer, tag, redelivered, draw(st.sampled_from(["", "sessions"])), key)
    header = raw_header(len(body), properties)
    frames = [pamqp.frame.marshal(method, channel), frame(HEADER, channel, header)]
    frames += [frame(BODY, channel, part) for part in parts]
    taken = (consumer, tag, redelivered, key, header, body) if consumer in ROUTED else None
    return Message(frames, taken)


@st.composite
def others(draw: DrawFn, channel: int) -> Message:
    """Draw anything else that a broker sends: methods, a returned message, heartbeats, notices."""
    match draw(st.integers(0, 5)):
        case 0:
            return Message([HEARTBEAT])
        case 1:
            return Message(
                [pamqp.frame.marshal(commands.Connection.Blocked("low on memory"), 0)], blocked=True
            )
        case 2:
            return Message([pamqp.frame.marshal(commands.Connection.Unblocked(), 0)], blocked=False)
        case 3:
            body = draw(st.binary(min_size=1, max_size=20))
            method = commands.Basic.Return(312, "NO_ROUTE", "sessions", "key")
            header = ContentHeader(body_size=len(body))
            frames = [pamqp.frame.marshal(part, channel) for part in (method, header)]
            return Message([*frames, frame(BODY, channel, body)])
        case 4:
            return Message(
                [frame(METHOD, channel, draw(st.binary(min_size=4, max_size=30).map(_no_delivery)))]
            )
    return Message([pamqp.frame.marshal(commands.Basic.Ack(draw(st.integers(0, 2**63 - 1))), channel)])


@st.composite
def streams(draw: DrawFn) -> Stream:
    """Draw messages of three channels; the channels are mixed, and the frames of each keep their order."""
    waiting = {
        channel: draw(st.lists(deliveries(channel) | others(channel), max_size=6)) for channel in (1, 2, 300)
    }
    return mix(waiting, draw(randoms))


def mix(waiting: dict[int, list[Message]], random: Random) -> Stream:
    """Return the stream in which channels take turns at random, frame by frame."""
    stream = Stream()
    pending = {channel: [(m, f) for m in messages for f in m.frames] for channel, messages in waiting.items()}
    while channels := [channel for channel, frames in pending.items() if frames]:
        message, sent = pending[random.choice(channels)].pop(0)
        stream.data += sent
        if message.taken is None:
            stream.left += sent
        elif sent is message.frames[-1]:
            stream.taken.append(message.taken)
        if message.blocked is not None:
            stream.blocked.append(message.blocked)
    return stream


def cut(data: bytes, random: Random, largest: int) -> list[bytes]:
    """Return the data in pieces of 1 to `largest` bytes."""
    pieces = []
    while data:
        size = random.randint(1, largest)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def without_heartbeats(data: bytes) -> bytes:
    """Return whole frames without the heartbeats among them."""
    kept, at = b"", 0
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at + 3 : at + 7])
        kept += data[at:end] if data[at] != HEARTBEAT[0] else b""
        at = end
    return kept


def _no_delivery(payload: bytes) -> bytes:
    return b"\x00\x14" + payload[2:]  # the class Channel
