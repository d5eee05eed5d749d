"""Turns one delivery into one event, or raises why it is invalid."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from pydantic import ValidationError

from contracts.events import EVENT, DeleteEvent, EraseEvent, WriteEvent
from contracts.limits import MAX_REVISION
from contracts.outcomes import DeadLetterCode
from contracts.refusals import code_of, describe
from contracts.session import Session
from contracts.signing import SignatureFault
from worker.broker.delivery import Delivery, Properties
from worker.broker.signatures import FAULT_MESSAGES
from worker.ingest.deliveries import DecodedEvent
from worker.ingest.document import InvalidEvent, ParsedBody, check_content, parse
from worker.ingest.plain_event import read_plain
from worker.ingest.revision_bound import describe_ahead
from worker.store.rows import EventRow

PLAIN: Final = (None, "", "identity", "utf-8", "UTF-8")
_validate_event: Final[Callable[[object], WriteEvent | DeleteEvent]] = EVENT.validator.validate_python
"""As EVENT.validate_python, without the time that the adapter takes for its options."""

VerifySignature = Callable[[Delivery, Properties], SignatureFault | None]
"""Returns the fault of a delivery's signature, None for a valid one; the body is not parsed yet."""


def accept_all(_delivery: Delivery, _properties: Properties) -> None:
    """Find no fault."""


def decode(
    delivery: Delivery,
    properties: Properties | None,
    max_bytes: int,
    verify: VerifySignature = accept_all,
    latest: int = MAX_REVISION,
) -> DecodedEvent:
    """Return the event in a delivery whose body has at most `max_bytes` and whose signature has no fault.

    `latest` is the greatest revision that it may have: nothing could ever follow one far ahead of the clock. Raises
    InvalidEvent with one of the contract's dead-letter codes; every check is of this event alone.
    """
    check_delivery(delivery, properties, max_bytes, verify)
    read = read_plain(delivery.body, delivery.routing_key)
    if read and read[0].revision <= latest:
        return DecodedEvent(delivery, properties, *read)
    return decode_by_models(delivery, properties, latest)


def decode_by_models(
    delivery: Delivery, properties: Properties | None, latest: int = MAX_REVISION
) -> DecodedEvent:
    """Return the event in a delivery as the models read it; raises InvalidEvent.

    They alone find the fault of an event, and `read_plain` takes nothing that they refuse.
    """
    parsed = parse(delivery.body)
    event = validate(parsed)
    if event.type != delivery.routing_key:
        raise parsed.invalid(
            DeadLetterCode.BAD_SCHEMA, f"type: is {event.type}, but it came by another routing key"
        )
    refuse_ahead(parsed, event.data.revision, latest)
    return DecodedEvent(delivery, properties, row_of(event), event.time)


def decode_erasure(
    delivery: Delivery,
    properties: Properties | None,
    max_bytes: int,
    verify: VerifySignature = accept_all,
    latest: int = MAX_REVISION,
) -> EraseEvent:
    """Return the erasure in a delivery whose body has at most `max_bytes`; raises InvalidEvent as `decode`."""
    check_delivery(delivery, properties, max_bytes, verify)
    parsed = parse(delivery.body)
    try:
        event = EraseEvent.model_validate(parsed.document)
    except ValidationError as error:
        raise parsed.invalid(code_of(error), describe(error)) from None
    refuse_ahead(parsed, event.data.revision, latest)
    return event


def refuse_ahead(parsed: ParsedBody, revision: int, latest: int) -> None:
    """Raise InvalidEvent for a revision after which no engine's clock could write for a long time, or ever."""
    if revision > latest:
        raise parsed.invalid(DeadLetterCode.REVISION_AHEAD, describe_ahead(revision, latest))


def check_delivery(
    delivery: Delivery, properties: Properties | None, max_bytes: int, verify: VerifySignature
) -> None:
    """Check all but the JSON of a delivery; raises InvalidEvent."""
    if len(delivery.body) > max_bytes:
        raise InvalidEvent(
            DeadLetterCode.TOO_LARGE, f"the body has {len(delivery.body)} bytes; {max_bytes} are allowed"
        )
    if properties is None:
        raise InvalidEvent(DeadLetterCode.BAD_PROPERTIES, "the message's AMQP properties cannot be decoded")
    if fault := verify(delivery, properties):
        raise InvalidEvent(DeadLetterCode.BAD_SIGNATURE, f"{fault}: {FAULT_MESSAGES[fault]}")
    if properties.content_encoding not in PLAIN:
        raise InvalidEvent(DeadLetterCode.BAD_SCHEMA, "content_encoding must be absent: send plain JSON")


def validate(parsed: ParsedBody) -> WriteEvent | DeleteEvent:
    """Return the session's event in a parsed body; raises InvalidEvent."""
    document = parsed.document
    try:
        event = _validate_event(document)
    except ValidationError as error:
        check_content(parsed, None)
        raise parsed.invalid(code_of(error), describe(error)) from None
    check_content(parsed, document["data"])
    return event


def row_of(event: WriteEvent | DeleteEvent) -> EventRow:
    """Return the row of an event for the database."""
    content = event.data
    if isinstance(event, DeleteEvent):
        return EventRow(event.subject, content.revision, event.id, content.expected_revision, True)
    return row_of_write(
        event.data.session, content.revision, event.id, content.expected_revision, event.data.updated_at
    )


def row_of_write(
    session: Session, revision: int, event_id: UUID, expected: int | None, updated_at: datetime | None
) -> EventRow:
    """Return the row of a write of this session for the database; without `updated_at` the time of storing counts."""
    return EventRow(
        session.session_id,
        revision,
        event_id,
        expected,
        False,
        session.player_id,
        orjson.dumps(session.encounter),
        orjson.dumps(session.state),
        _extra_of(session),
        session.started_at.isoformat(),
        session.completed_at.isoformat() if session.completed_at else None,
        updated_at.isoformat() if updated_at else None,
    )


def _extra_of(session: Session) -> bytes | None:
    """The fields without a column, as JSON; a null `completedAt` is one of them, so that a read returns it."""
    extra = session.model_extra or {}
    if session.completed_at is None and "completed_at" in session.model_fields_set:
        extra = {**extra, "completedAt": None}
    return orjson.dumps(extra) if extra else None
