"""The frame filter takes routed frames out, passes everything else on as it came, and never raises."""

import inspect
from random import Random

import aiormq
import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from yarl import URL

from tests.support.broker.amqp_stream import (
    HEARTBEAT,
    ROUTED,
    Facts,
    Stream,
    cut,
    randoms,
    streams,
    without_heartbeats,
)
from tests.support.broker.raw_amqp import BODY, HEADER, METHOD, frame, header
from tests.support.examples import times
from worker.broker.connection import FilteredConnection, FilteredTransport, open_connection
from worker.broker.delivery import Delivery
from worker.broker.frames import MAX_FRAME_BYTES, SILENCE_SECONDS, FilteredReader, FrameFilter
from worker.errors import BrokerUnavailable


class Receiver:
    """A filter with two consumers, and all its output."""

    def __init__(self) -> None:
        self.taken: list[Facts] = []
        self.blocked: list[bool] = []
        self.filter = FrameFilter(self.blocked.append)
        for tag in ROUTED:
            self.filter.add_route(tag, tag, self._take)

    def feed(self, *chunks: bytes) -> bytes:
        return b"".join(map(self.filter.feed, chunks))

    def _take(self, delivery: Delivery) -> None:
        self.taken.append(
            (
                delivery.queue,
                delivery.tag,
                delivery.redelivered,
                delivery.routing_key,
                delivery.header,
                delivery.body,
            )
        )


def deliver(tag: str = ROUTED[0], channel: int = 1) -> bytes:
    return pamqp.frame.marshal(commands.Basic.Deliver(tag, 7, False, "sessions", "key"), channel)


def whole(body: bytes, channel: int = 1) -> bytes:
    """Return a routed delivery in its frames."""
    return (
        deliver(channel=channel)
        + frame(HEADER, channel, header(len(body), b"\0\0"))
        + (frame(BODY, channel, body) if body else b"")
    )


def test_deliveries_of_a_consumer_whose_route_is_removed_pass() -> None:
    receiver = Receiver()
    receiver.filter.remove_route(ROUTED[0])
    assert receiver.feed(whole(b"{}")) == whole(b"{}")
    assert receiver.taken == []


def test_a_delivery_that_another_method_cut_off_takes_nothing_of_what_follows() -> None:
    receiver = Receiver()
    returned = pamqp.frame.marshal(commands.Basic.Return(312, "NO_ROUTE", "", "key"), 1)
    follows = returned + frame(HEADER, 1, header(2, b"\0\0")) + frame(BODY, 1, b"{}")
    assert receiver.feed(deliver() + follows) == follows
    assert receiver.taken == []


@given(streams(), randoms, st.sampled_from([1, 3, 40, 100_000]))
@times(1.5)
def test_routed_deliveries_are_taken_and_the_rest_passes_byte_for_byte(
    stream: Stream, random: Random, largest: int
) -> None:
    receiver = Receiver()
    left = receiver.feed(*cut(stream.data, random, largest))
    assert receiver.taken == stream.taken
    assert receiver.blocked == stream.blocked
    assert without_heartbeats(left) == without_heartbeats(stream.left)
    assert left.count(HEARTBEAT) >= stream.left.count(HEARTBEAT)


@given(st.binary(max_size=60), randoms)
@times(5)
def test_garbage_is_passed_on(garbage: bytes, random: Random) -> None:
    receiver = Receiver()
    left = receiver.feed(*cut(garbage, random, 20))
    held = garbage[len(left) :]
    assert garbage.startswith(left)
    assert len(held) < 8 or len(held) < 8 + int.from_bytes(held[3:7])


@given(streams(), st.data())
@times(1.5)
def test_a_damaged_stream_never_raises(stream: Stream, data: st.DataObject) -> None:
    damaged = bytearray(stream.data)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    Receiver().feed(*cut(bytes(damaged), Random(7), 50))


@given(st.sampled_from([METHOD, HEADER, BODY]), st.integers(0, 40), st.binary(max_size=20))
def test_a_frame_that_is_too_short_never_raises(kind: int, length: int, more: bytes) -> None:
    receiver = Receiver()
    payload = deliver()[7:-1][:length] if kind == METHOD else more
    before = deliver() if kind != METHOD else b""
    receiver.feed(before + frame(kind, 1, payload) + frame(BODY, 1, b"x"))


@pytest.mark.parametrize("payload", [deliver()[7:-1][:length] for length in range(4, 31)], ids=len)
def test_a_delivery_that_is_cut_short_is_left_to_aiormq(payload: bytes) -> None:
    assert Receiver().feed(frame(METHOD, 1, payload)) == frame(METHOD, 1, payload)


def test_what_is_no_amqp_is_passed_on_at_once_and_for_ever() -> None:
    receiver = Receiver()
    assert receiver.feed(HEARTBEAT, b"AMQP\x00\x00\x09\x01") == HEARTBEAT + b"AMQP\x00\x00\x09\x01"
    assert receiver.feed(whole(b"x")) == whole(b"x")
    assert receiver.taken == []


def test_a_frame_without_its_end_is_passed_on_after_the_frames_before_it() -> None:
    receiver = Receiver()
    broken = frame(METHOD, 1, b"\x00\x14\x00\x0b")[:-1] + b"\x00"
    assert receiver.feed(HEARTBEAT + broken) == HEARTBEAT + broken


def test_a_frame_that_is_too_large_is_not_waited_for() -> None:
    start = bytes([BODY]) + b"\x00\x01" + (MAX_FRAME_BYTES + 1).to_bytes(4)
    assert Receiver().feed(start + b"x") == start + b"x"


def test_what_is_held_back_is_one_frame_and_one_delivery_a_channel() -> None:
    receiver = Receiver()
    for channel in (1, 2):
        for _ in range(100):
            receiver.feed(whole(b"x" * 1000, channel)[:-500])
            receiver.feed(b"y" * 499 + b"\xce" + whole(b"z", channel)[:-9])
    held = receiver.filter._open
    assert len(receiver.taken) == 200
    assert sum(len(part) for partial in held.values() for part in partial.parts) == 0
    assert set(held) == {1, 2}
    assert receiver.filter._rest == b""


def test_an_empty_body_has_no_frame() -> None:
    receiver = Receiver()
    receiver.feed(whole(b""), whole(b"x"))
    assert [facts[5] for facts in receiver.taken] == [b"", b"x"]


def test_a_method_ends_an_unfinished_delivery_of_its_channel_alone() -> None:
    receiver = Receiver()
    close = pamqp.frame.marshal(commands.Channel.Close(404, "gone", 0, 0), 1)
    unfinished = deliver() + frame(HEADER, 1, header(5, b"\0\0")) + frame(BODY, 1, b"12")
    other, last = whole(b"abc", channel=2)[:-11], frame(BODY, 2, b"abc")
    assert without_heartbeats(receiver.feed(other, unfinished, close, last)) == close
    assert [facts[5] for facts in receiver.taken] == [b"abc"]


def test_silence_on_aiormqs_side_is_filled_with_a_heartbeat_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("worker.broker.frames.monotonic", lambda: now)
    receiver = Receiver()
    stream = whole(b"x" * 100)
    assert receiver.feed(stream) == HEARTBEAT
    assert receiver.feed(stream[:10]) == b""
    now += SILENCE_SECONDS
    assert receiver.feed(stream[10:]) == HEARTBEAT
    assert receiver.feed(stream) == b""


def test_properties_that_cannot_be_decoded_reach_the_sink_as_bytes() -> None:
    receiver = Receiver()
    content = header(1, b"\x04\x00\x02\xff\xfe")
    receiver.feed(deliver() + frame(HEADER, 1, content) + frame(BODY, 1, b"x"))
    assert receiver.taken[0][4] == content


async def test_the_reader_gives_aiormq_what_is_left() -> None:
    receiver = Receiver()
    reader = FilteredReader(receiver.filter)
    ack = pamqp.frame.marshal(commands.Basic.Ack(1), 1)
    reader.feed_data(whole(b"x") + ack)
    reader.feed_eof()
    assert await reader.read() == ack
    assert len(receiver.taken) == 1


def test_aiormq_has_the_seam_where_it_was() -> None:
    assert "transport_factory" in inspect.signature(aiormq.Connection.__init__).parameters
    assert not inspect.isabstract(FilteredTransport)


async def test_aio_pika_hands_our_transport_to_aiormq(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[URL] = []

    async def refuse(_: FilteredTransport, url: URL, **options: object) -> None:
        asked.append(url)
        assert "ssl_context_provider" in options
        raise ConnectionRefusedError("as asked")

    monkeypatch.setattr(FilteredTransport, "create", refuse)
    with pytest.raises(BrokerUnavailable, match="as asked"):
        await open_connection("amqp://localhost:1/", "test", 5.0)
    assert [url.port for url in asked] == [1]


async def test_every_connection_has_a_filter_of_its_own() -> None:
    one, two = (FilteredConnection(URL("amqp://localhost"), "test") for _ in range(2))
    assert one.frames is not two.frames


@given(randoms, st.sampled_from([1, 3, 1000]))
def test_confirmations_of_a_channel_that_asks_are_taken_and_others_pass(random: Random, largest: int) -> None:
    told: list[tuple[int, bool, bool]] = []
    receiver = Receiver()
    receiver.filter.add_confirms(5, lambda *each: told.append(each))
    mine = [commands.Basic.Ack(7), commands.Basic.Nack(8), commands.Basic.Ack(12, multiple=True)]
    other = pamqp.frame.marshal(commands.Basic.Ack(7), 6)
    data = b"".join(pamqp.frame.marshal(each, 5) for each in mine) + other
    left = receiver.feed(*cut(data, random, largest))
    assert told == [(7, False, True), (8, False, False), (12, True, True)]
    assert without_heartbeats(left) == other
