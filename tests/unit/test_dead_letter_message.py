"""A dead letter is the message as it came, with headers for the code and the reason."""

import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from contracts.dead_letters import DeadLetterHeaders
from contracts.outcomes import DeadLetterCode
from tests.support.broker.raw_amqp import (
    HEADERS,
    UNDECODABLE,
    flagged,
    header,
    long_string,
    nested_headers,
    short_string,
    table,
)
from tests.support.events.deliveries import deliver
from worker.broker.delivery import Delivery, Properties
from worker.broker.publisher import DeadLetterMessage
from worker.dead_letters.message import make_dead_letter

LARGEST_FRAME = 128 * 1024
CODE = DeadLetterCode.BAD_TIME
WHY = ("x-code", "x-message", "x-failed-at", "x-origin-queue")
AS_THEY_COME = (
    "content_type",
    "content_encoding",
    "priority",
    "correlation_id",
    "reply_to",
    "message_id",
    "timestamp",
    "message_type",
    "app_id",
)
short = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
fields = (
    st.booleans()
    | st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.binary(max_size=20).map(bytearray)
)
values = st.recursive(
    fields, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(short, inner, max_size=3)
)
own_names = short.filter(lambda name: name not in (*WHY, "CC", "BCC"))
tables = st.dictionaries(own_names, values, max_size=4)


def dead(properties: Properties, body: bytes = b"{") -> tuple[DeadLetterMessage, Properties]:
    """Return the letter for a message with these properties, and the properties that a consumer reads."""
    return read(deliver(body, properties=properties))


def raw(properties: bytes) -> tuple[DeadLetterMessage, Properties]:
    """Return the same as `dead`, for properties given as bytes."""
    return read(Delivery("session.write", 1, False, "session.write", header(1, properties), b"{"))


def read(delivery: Delivery) -> tuple[DeadLetterMessage, Properties]:
    letter = make_dead_letter(delivery, delivery.read_properties(), CODE, "said why")
    sent = ContentHeader(body_size=len(letter.body), properties=letter.properties).marshal()
    assert len(sent) < LARGEST_FRAME - 8
    received = ContentHeader()
    received.unmarshal(sent)
    return letter, received.properties


def amqp_table(headers: dict[str, object]) -> bytes:
    """Return a table in the longest encoding that a client may use."""
    return table(*(short_string(name.encode()) + amqp_field(value) for name, value in headers.items()))


def amqp_field(value: object) -> bytes:
    match value:
        case bool():
            return b"t" + bytes([value])
        case None:
            return b"V"
        case int():
            return b"l" + struct.pack(">q", value)
        case float():
            return b"d" + struct.pack(">d", value)
        case str():
            return long_string(value.encode())
        case bytearray():
            return b"x" + struct.pack(">I", len(value)) + value
        case list():
            items = b"".join(map(amqp_field, value))
            return b"A" + struct.pack(">I", len(items)) + items
        case dict():
            return b"F" + amqp_table(value)
    raise TypeError(type(value))


def own_headers(properties: Properties) -> FieldTable:
    """Return the headers that the message came with."""
    return {name: value for name, value in (properties.headers or {}).items() if name not in WHY}


def test_the_headers_say_why() -> None:
    letter, properties = dead(Properties())
    said = DeadLetterHeaders.model_validate(properties.headers)
    assert (letter.code, said.code, said.message) == (CODE, CODE, "said why")
    assert said.origin_queue == "session.write"
    assert datetime.now(UTC) - said.failed_at < timedelta(minutes=1)
    assert properties.delivery_mode == 2


def test_body_and_routing_key_are_as_they_came() -> None:
    letter, _ = dead(Properties(), b"\x00\xff")
    assert (letter.body, letter.routing_key) == (b"\x00\xff", "session.write")


@given(short, short, short)
def test_properties_are_as_they_came(one: str, two: str, three: str) -> None:
    moment = datetime(2025, 11, 7, tzinfo=UTC)
    came = Properties(
        one, two, None, 1, 3, three, one, message_id=two, timestamp=moment, message_type=three, app_id=one
    )
    _, properties = dead(came)
    assert {name: getattr(properties, name) for name in AS_THEY_COME} == {
        name: getattr(came, name) or None for name in AS_THEY_COME
    }


@given(tables)
def test_headers_are_kept_equal_or_as_bytes(headers: dict[str, object]) -> None:
    came = flagged(HEADERS, amqp_table(headers))
    _, sent = raw(came)
    kept = own_headers(sent)
    assert kept in (headers, {"x-undecodable-properties": came})


def test_what_the_broker_would_act_on_again_is_moved() -> None:
    headers: FieldTable = {"CC": ["session.write"], "BCC": ["other"], "cc": "mine"}
    _, properties = dead(Properties(expiration="100", user_id="guest", headers=headers))
    assert (properties.expiration, properties.user_id) == (None, None)
    assert own_headers(properties) == {
        "x-original-expiration": "100",
        "x-original-user_id": "guest",
        "x-original-cc": ["session.write"],
        "x-original-bcc": ["other"],
        "cc": "mine",
    }


def test_a_transient_message_is_kept_for_good() -> None:
    _, properties = dead(Properties(delivery_mode=1))
    assert properties.delivery_mode == 2


@pytest.mark.parametrize("properties", UNDECODABLE.values(), ids=UNDECODABLE.keys())
def test_properties_that_cannot_be_decoded_are_kept_as_bytes(properties: bytes) -> None:
    _, sent = raw(properties)
    assert own_headers(sent) == {"x-undecodable-properties": properties}


@pytest.mark.parametrize(
    "field",
    [
        b"l" + struct.pack(">q", -(2**63)),
        b"d" + struct.pack(">d", float("inf")),
        b"f" + struct.pack(">f", 0.5),
        b"x" + struct.pack(">I", 2) + b"\xff\xfe",
        b"V",
        b"t\x01",
        b"b\xff",
        b"s" + struct.pack(">h", -1),
        b"I" + struct.pack(">i", -1),
        b"T" + struct.pack(">Q", 1_762_511_400),
        b"D" + struct.pack(">Bi", 2, 1250),
        b"A" + struct.pack(">I", 1) + b"V",
        b"F" + table(short_string(b"a") + long_string(b"b")),
        long_string(b"\xff\xfe"),
    ],
    ids=repr,
)
def test_every_kind_of_header_is_kept(field: bytes) -> None:
    came = flagged(HEADERS, table(short_string(b"name") + field))
    delivery = Delivery("session.write", 1, False, "session.write", header(1, came), b"{")
    _, sent = read(delivery)
    came_as = delivery.read_properties()
    kept = own_headers(sent)
    assert kept == {"x-undecodable-properties": came} or (came_as and kept == came_as.headers)


@pytest.mark.parametrize(
    ("name", "field"), [(b"n" * 200, b"t\x01"), (b"double", b"d" + struct.pack(">d", 0.1))]
)
def test_a_header_that_the_library_would_change_is_kept_as_bytes(name: bytes, field: bytes) -> None:
    came = flagged(HEADERS, table(short_string(name) + field))
    _, sent = raw(came)
    assert own_headers(sent) == {"x-undecodable-properties": came}


@pytest.mark.parametrize("size", [1, 60_000, 119_000, 123_000, 130_000])
def test_headers_that_leave_no_room_for_the_reason_are_cut(size: int) -> None:
    came = flagged(HEADERS, table(short_string(b"big") + long_string(b"x" * size)))
    _, sent = raw(came)
    assert (sent.headers or {})["x-code"] == CODE
    if size < 120_000:
        assert own_headers(sent) == {"big": "x" * size}
    else:
        kept = own_headers(sent)["x-undecodable-properties"]
        assert came.startswith(kept)  # type: ignore[arg-type]
        assert len(kept) > 60_000  # type: ignore[arg-type]


def test_headers_nested_as_deep_as_can_be_decoded_can_be_sent() -> None:
    for levels in range(90, 340, 10):
        raw(flagged(HEADERS, nested_headers(levels)))


def test_a_long_reason_is_cut() -> None:
    delivery = deliver(b"")
    letter = make_dead_letter(delivery, Properties(), CODE, "é" * 10_000)
    assert (letter.properties.headers or {})["x-message"] == "é" * 500


@pytest.mark.parametrize("key", ["\ufffd" * 255, "é" * 200, "x" * 255, "session.write", ""])
def test_the_routing_key_always_fits(key: str) -> None:
    delivery = Delivery("session.write", 1, False, key, header(0, b"\0\0"), b"")
    sent = make_dead_letter(delivery, Properties(), CODE, "").routing_key
    assert key.startswith(sent)
    assert len(sent.encode()) <= 255
    assert sent == key or len(sent.encode()) > 252
