"""A message's bytes are those that the library would write."""

import pytest
from aiormq.abc import ChannelFrame
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.encode import short_string
from pamqp.header import ContentHeader

from worker.broker.delivery import Properties
from worker.broker.message import Address, message_of, reply_properties

CHANNEL = 3
JSON = "application/json"
SMALL_FRAME = 16  # eight bytes of a body

short = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def of_the_library(address: Address, properties: Properties, bodies: list[bytes]) -> bytes:
    """Return the frames as the library marshals them."""
    size = sum(map(len, bodies))
    frames: list[Basic.Publish | ContentHeader | ContentBody] = [
        Basic.Publish(exchange=address.exchange, routing_key=address.routing_key),
        ContentHeader(body_size=size, properties=properties),
        *map(ContentBody, bodies),
    ]
    return bytes(ChannelFrame.marshall(CHANNEL, frames).payload)


@given(correlation_id=short, headers=st.dictionaries(short, short, max_size=3), body=st.binary(max_size=40))
def test_a_reply_is_written_as_the_library_would(
    correlation_id: str, headers: dict[str, str], body: bytes
) -> None:
    properties = Properties(
        content_type=JSON,
        correlation_id=correlation_id,
        headers=dict(headers) or None,
        delivery_mode=1,
    )
    address = Address("session.reply.1")
    written = message_of(
        CHANNEL, address, reply_properties(short_string(JSON), correlation_id, headers), body, SMALL_FRAME
    )
    parts = [body[at : at + 8] for at in range(0, len(body), 8)]
    assert written == of_the_library(address, properties, parts)


def test_a_message_may_go_to_an_exchange() -> None:
    address = Address("session.write", "sessions")
    written = message_of(CHANNEL, address, b"\x00\x00", b"{}")
    assert written == of_the_library(address, Properties(), [b"{}"])


def test_an_address_that_is_too_long_is_refused() -> None:
    with pytest.raises(TypeError, match="255"):
        message_of(CHANNEL, Address("x" * 256), b"\x00\x00", b"")
