"""Turns one delivery into one event, or says why it is none."""

from collections.abc import Callable
from uuid import UUID

import orjson
from pydantic import ValidationError

from contracts.events import EVENT, DeleteEvent, EraseEvent, WriteEvent
from contracts.outcomes import DeadLetterCode
from contracts.refusals import code_of, describe
from contracts.session import Session
from contracts.signing import SignatureFault
from worker.broker.delivery import Delivery, Properties
from worker.broker.signatures import FAULT_MESSAGES
from worker.ingest.document import InvalidEvent, check_content, parse
from worker.store.rows import EventRow

PLAIN = (None, "", "identity", "utf-8", "UTF-8")

VerifySignature = Callable[[Delivery, Properties], SignatureFault | None]
"""Takes a delivery whose body nobody has looked at yet."""


def accept_all(_delivery: Delivery, _properties: Properties) -> None:
    """Find no fault."""


def decode(
    delivery: Delivery, properties: Properties | None, largest: int, find_fault: VerifySignature = accept_all
) -> EventRow:
    """Return the event in a delivery whose body is at most `largest` bytes and whose signature has no fault.

    Raises Refused with one of the contract's dead-letter codes; every check is of this event alone.
    """
    document = parse_plain(delivery, properties, largest, find_fault)
    try:
        event = validate(delivery.body, document)
        if event.type != delivery.routing_key:
            raise InvalidEvent(
                DeadLetterCode.BAD_SCHEMA, f"type: is {event.type}, but it came by another routing key"
            )
    except InvalidEvent as refused:
        refused.document = document
        raise
    return row_of(event)


def decode_erasure(
    delivery: Delivery, properties: Properties | None, largest: int, find_fault: VerifySignature = accept_all
) -> EraseEvent:
    """Return the erasure in a delivery whose body is at most `largest` bytes; raises Refused as `decode`."""
    document = parse_plain(delivery, properties, largest, find_fault)
    try:
        return EraseEvent.model_validate(document)
    except ValidationError as error:
        refused = InvalidEvent(code_of(error), describe(error))
        refused.document = document
        raise refused from None


def parse_plain(
    delivery: Delivery, properties: Properties | None, largest: int, find_fault: VerifySignature = accept_all
) -> dict[str, object]:
    """Return the JSON object that a delivery holds; raises Refused."""
    if len(delivery.body) > largest:
        raise InvalidEvent(
            DeadLetterCode.TOO_LARGE, f"the body has {len(delivery.body)} bytes; {largest} are allowed"
        )
    if properties is None:
        raise InvalidEvent(DeadLetterCode.BAD_PROPERTIES, "the message's AMQP properties cannot be decoded")
    if fault := find_fault(delivery, properties):
        raise InvalidEvent(DeadLetterCode.BAD_SIGNATURE, f"{fault}: {FAULT_MESSAGES[fault]}")
    if properties.content_encoding not in PLAIN:
        raise InvalidEvent(DeadLetterCode.BAD_SCHEMA, "content_encoding must be absent: send plain JSON")
    return parse(delivery.body)


def validate(body: bytes, document: dict[str, object]) -> WriteEvent | DeleteEvent:
    """Return the event that a parsed body is; raises Refused."""
    try:
        event = EVENT.validate_python(document)
    except ValidationError as error:
        check_content(body, document, None)
        raise InvalidEvent(code_of(error), describe(error)) from None
    check_content(body, document, document["data"])
    return event


def row_of(event: WriteEvent | DeleteEvent) -> EventRow:
    """Return what goes to the database."""
    content = event.data
    if isinstance(event, DeleteEvent):
        return EventRow(event.subject, content.revision, event.id, content.expected_revision, True)
    return row_of_write(event.data.session, content.revision, event.id, content.expected_revision)


def row_of_write(session: Session, revision: int, event_id: UUID, expected: int | None) -> EventRow:
    """Return what goes to the database of a write of this session."""
    return EventRow(
        session.session_id,
        revision,
        event_id,
        expected,
        False,
        session.player_id,
        _text(session.encounter),
        _text(session.state),
        _extra_of(session),
        session.started_at.isoformat(),
        session.completed_at.isoformat() if session.completed_at else None,
    )


def _extra_of(session: Session) -> str | None:
    """The fields without a column; a null `completedAt` is one of them, so that it comes back as it went in."""
    extra = session.model_extra or {}
    if session.completed_at is None and "completed_at" in session.model_fields_set:
        extra = {**extra, "completedAt": None}
    return _text(extra) if extra else None


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
