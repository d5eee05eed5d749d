"""A delivery's properties equal those of the library, and are undecodable where the library fails."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from worker.broker.delivery import UNDECODABLE, Delivery, Properties

TEXTS = st.none() | st.text(max_size=40)
OCTETS = st.none() | st.integers(0, 255)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
PROPERTIES = st.builds(
    Properties,
    content_type=TEXTS,
    content_encoding=TEXTS,
    headers=st.none() | st.dictionaries(st.text(min_size=1, max_size=10), VALUES, max_size=3),
    delivery_mode=st.none() | st.sampled_from((1, 2)),
    priority=OCTETS,
    correlation_id=TEXTS,
    reply_to=TEXTS,
    expiration=TEXTS,
    message_id=TEXTS,
    timestamp=st.none() | st.datetimes(timezones=st.just(UTC)).filter(lambda when: when.year > 1970),
    message_type=TEXTS,
    user_id=TEXTS,
    app_id=TEXTS,
)
HEADERS = st.builds(
    lambda properties: ContentHeader(body_size=1, properties=properties).marshal(), PROPERTIES
)


@given(HEADERS)
def test_properties_are_what_the_library_decodes(header: bytes) -> None:
    _assert_as_the_library(header)


@given(HEADERS, st.integers(12, 60), st.binary(max_size=4))
def test_damaged_properties_are_what_the_library_makes_of_them(header: bytes, at: int, damage: bytes) -> None:
    _assert_as_the_library(header[:at] + damage + header[at + len(damage) :])


@given(HEADERS, st.integers(12, 60))
def test_properties_that_are_cut_off_are_what_the_library_makes_of_them(header: bytes, at: int) -> None:
    _assert_as_the_library(header[:at])


def _assert_as_the_library(header: bytes) -> None:
    content = ContentHeader()
    expected: Properties | None = content.properties
    try:
        content.unmarshal(header)
    except UNDECODABLE:
        expected = None
    delivery = Delivery("session.write", 1, False, "session.write", header, b"")
    assert _fields(delivery.read_properties()) == _fields(expected)


def _fields(properties: Properties | None) -> list[str]:
    """Return the properties as text, in which a NaN equals itself."""
    return [repr(getattr(properties, name)) for name in Properties.attributes()] if properties else []
