"""Decoding for tests: the row of a body, or its dead-letter code."""

from contracts.outcomes import DeadLetterCode
from tests.support.events.deliveries import deliver
from worker.broker.delivery import Properties
from worker.ingest.decode import decode, decode_by_models
from worker.ingest.deliveries import DecodedEvent
from worker.ingest.document import InvalidEvent
from worker.store.rows import EventRow


def row_of(body: bytes, routing_key: str = "session.write") -> EventRow:
    """Return the row of an event; raises InvalidEvent."""
    return decode(deliver(body, routing_key), Properties(), max_bytes=2**20).event


def row_or_code(body: bytes, routing_key: str = "session.write") -> EventRow | DeadLetterCode:
    """Return the row of an event, or its dead-letter code; any error but InvalidEvent fails the test."""
    try:
        return row_of(body, routing_key)
    except InvalidEvent as refused:
        return refused.code


def models_of(body: bytes, routing_key: str = "session.write") -> DecodedEvent:
    """Return an event as the models alone read it; raises InvalidEvent."""
    return decode_by_models(deliver(body, routing_key), Properties())
