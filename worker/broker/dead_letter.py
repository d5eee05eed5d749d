"""Makes dead letters: body and properties as they came, and headers that say why (contract: Topology)."""

from datetime import UTC, datetime
from typing import Final

from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from contracts.outcomes import DeadLetterCode
from contracts.session import format_timestamp
from worker.broker.delivery import UNDECODABLE, Delivery, Properties
from worker.broker.publisher import DeadLetter

LARGEST_HEADER: Final = 120 * 1024  # a frame holds 128 KiB
LONGEST_MESSAGE: Final = 500
UNDECODABLE_HEADER: Final = "x-undecodable-properties"
BROKER_ACTS_ON: Final = {"CC": "x-original-cc", "BCC": "x-original-bcc"}


def make_dead_letter(
    delivery: Delivery, properties: Properties | None, code: DeadLetterCode, message: str
) -> DeadLetter:
    """Return the letter to publish for a refused delivery.

    What the broker would act on again is kept under another name: `expiration` and `user_id` in
    `x-original-…` headers, `CC` and `BCC` likewise. Properties that cannot be decoded, or not be encoded again,
    go as bytes into the header `x-undecodable-properties`, cut to what a frame holds.
    """
    why: FieldTable = {
        "x-code": code.value,
        "x-message": message[:LONGEST_MESSAGE],
        "x-failed-at": format_timestamp(datetime.now(UTC)),
        "x-origin-queue": delivery.queue,
    }
    copied = _copy(properties, why) if properties else None
    if copied is None:
        raw = bytearray(delivery.header[12 : 12 + LARGEST_HEADER // 2])
        copied = Properties(delivery_mode=2, headers={**why, UNDECODABLE_HEADER: raw})
    return DeadLetter(code, delivery.routing_key, copied, delivery.body)


def _copy(properties: Properties, why: FieldTable) -> Properties | None:
    """The properties to publish again; None when they cannot be encoded, or not in one frame."""
    headers: FieldTable = {}
    for name, value in (properties.headers or {}).items():
        headers[BROKER_ACTS_ON.get(name, name)] = value
    for name in ("expiration", "user_id"):
        if value := getattr(properties, name):
            headers[f"x-original-{name}"] = value
    kept = {name: getattr(properties, name) for name in Properties.attributes()}
    kept.update(headers={**headers, **why}, delivery_mode=2, expiration=None, user_id=None, cluster_id="")
    try:
        copied = Properties(**kept)
        return copied if len(ContentHeader(properties=copied).marshal()) < LARGEST_HEADER else None
    except UNDECODABLE:
        return None
