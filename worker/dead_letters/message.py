"""Makes dead letters: body and properties as they came, and headers that say why (contract: Topology)."""

from datetime import UTC, datetime
from typing import Final

from pamqp.common import FieldTable

from contracts.dead_letters import CODE_HEADER, FAILED_AT_HEADER, MESSAGE_HEADER, ORIGIN_QUEUE_HEADER
from contracts.outcomes import DeadLetterCode
from contracts.session import format_timestamp
from worker.broker.delivery import Delivery, Properties
from worker.broker.properties import BROKERS_COUNTS, MAX_HEADER_BYTES, copy_properties, keep_bytes
from worker.broker.publisher import DeadLetterMessage

MAX_MESSAGE_CHARACTERS: Final = 500
MAX_KEY_BYTES: Final = 255


def make_dead_letter(
    delivery: Delivery,
    properties: Properties | None,
    code: DeadLetterCode,
    message: str,
    room: int = MAX_HEADER_BYTES,
) -> DeadLetterMessage:
    """Return the dead letter to publish for a rejected delivery, its properties in `room` bytes.

    Properties on which the broker would act again are kept under another name. Properties that cannot be decoded, or
    not be encoded again in that room, go as bytes into the header `x-undecodable-properties`. The header `x-history`
    of a replayed message stays as it is.
    """
    why: FieldTable = {
        CODE_HEADER: code.value,
        MESSAGE_HEADER: message[:MAX_MESSAGE_CHARACTERS],
        FAILED_AT_HEADER: format_timestamp(datetime.now(UTC)),
        ORIGIN_QUEUE_HEADER: delivery.queue,
    }
    copied = copy_properties(properties, why, dropped=BROKERS_COUNTS, max_bytes=room) if properties else None
    kept = copied or keep_bytes(delivery, why, room)
    return DeadLetterMessage(code, sendable_key(delivery.routing_key), kept, delivery.body)


def sendable_key(routing_key: str) -> str:
    """Return the key in at most 255 bytes, AMQP's limit: a byte that was not UTF-8 became a character of three."""
    return routing_key.encode()[:MAX_KEY_BYTES].decode(errors="ignore")
