"""Copies a message's properties so that the message can be published again."""

from collections.abc import Container, Sequence
from typing import Final

from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from worker.broker.delivery import UNDECODABLE, Delivery, Properties

MAX_HEADER_BYTES: Final = 120 * 1024  # a frame holds 128 KiB
FRAME_BYTES: Final = 8  # of a frame around its content
UNDECODABLE_HEADER: Final = "x-undecodable-properties"
BROKER_ACTS_ON: Final = ("expiration", "user_id")
BROKERS_COUNTS: Final = ("x-delivery-count", "x-acquired-count")
"""Headers in which a queue tells a consumer how often it has delivered a message; they mean nothing elsewhere."""

BROKERS_REASONS: Final = (
    "x-death",
    *(f"x-{which}-death-{what}" for which in ("first", "last") for what in ("exchange", "queue", "reason")),
)
"""Headers in which the broker says why it dead-lettered a message."""

_RENAMED: Final = {"CC": "x-original-cc", "BCC": "x-original-bcc"}


def header_room(frame_max: int) -> int:
    """Return how many bytes the properties of a message may have, by the greatest frame; 0 is one of any size."""
    return min(MAX_HEADER_BYTES, frame_max - FRAME_BYTES) if frame_max else MAX_HEADER_BYTES


def copy_properties(
    properties: Properties,
    added: FieldTable,
    *,
    dropped: Container[str] = (),
    moved: Sequence[str] = BROKER_ACTS_ON,
    max_bytes: int = MAX_HEADER_BYTES,
) -> Properties | None:
    """Return persistent properties with the headers `added` and without those `dropped`.

    Properties and headers that the broker would act on again are kept under another name: `moved` in `x-original-…`
    headers, `CC` and `BCC` likewise. None when they cannot be encoded, or not in `max_bytes` bytes, or not without
    a change: pamqp shortens doubles to 32 bits, and header names to 128 bytes.
    """
    headers: FieldTable = {}
    for name, value in (properties.headers or {}).items():
        if name not in dropped:
            headers[_RENAMED.get(name, name)] = value
    kept = {name: getattr(properties, name) for name in Properties.attributes()}
    for name in moved:
        if value := kept[name]:
            headers[f"x-original-{name}"] = value
        kept[name] = None
    kept.update(headers={**headers, **added}, delivery_mode=2, cluster_id="")
    try:
        copied = Properties(**kept)
        return copied if _comes_back_equal(copied, max_bytes) else None
    except UNDECODABLE:
        return None


def _comes_back_equal(properties: Properties, max_bytes: int) -> bool:
    encoded, again = ContentHeader(properties=properties).marshal(), ContentHeader()
    again.unmarshal(encoded)
    return len(encoded) <= max_bytes and again.properties.headers == properties.headers


def keep_bytes(delivery: Delivery, headers: FieldTable, max_bytes: int = MAX_HEADER_BYTES) -> Properties:
    """Return clean properties with these headers and the delivery's own as bytes, cut to the size of a frame."""
    raw = bytearray(delivery.header[12 : 12 + max_bytes // 2])
    return Properties(delivery_mode=2, headers={**headers, UNDECODABLE_HEADER: raw})
