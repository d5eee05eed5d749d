"""What the client says, as the bytes that are published."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from contracts.client.errors import BadRequest, Rejected
from contracts.events import EVENT, code_of, describe
from contracts.outcomes import DeadLetterCode
from contracts.requests import Method, Params, check_content
from contracts.scalars import format_timestamp
from contracts.session import Session
from contracts.topology import RPC_KEY

Content = Mapping[str, object] | Session


@dataclass(frozen=True, slots=True)
class Message:
    """What to publish; with `persistent` it survives the broker, without it is worth nothing past its deadline."""

    body: bytes
    routing_key: str
    content_type: str
    persistent: bool
    what: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a session; a delete has no `session`. The same `event_id` again is the same event."""

    kind: str
    session_id: str
    revision: int
    expected: int | None
    event_id: UUID
    session: Content | None = None


def event_message(change: Change, source: str) -> Message:
    """Return a change as a CloudEvent; raises Rejected where JSON would not say the same."""
    inner = {"revision": change.revision, "expectedRevision": change.expected}
    document = {
        "specversion": "1.0",
        "id": str(change.event_id),
        "source": source,
        "type": change.kind,
        "subject": change.session_id,
        "time": format_timestamp(datetime.now(UTC)),
        "data": inner if change.session is None else {**inner, "session": _session_json(change.session)},
    }
    body = _encode(document)
    return Message(
        body, change.kind, "application/cloudevents+json", True, f"{change.kind} of {change.session_id}"
    )


def check_event(message: Message) -> None:
    """Raise Rejected for an event that the worker would refuse, as far as that can be told from here.

    For writes that nobody waits for: the refusal would reach no caller, and a read would wait for the write.
    """
    document = orjson.loads(message.body)
    try:
        EVENT.validate_python(document)
        check_content(document)
    except ValidationError as error:
        raise Rejected(code_of(error), describe(error)) from None
    except PydanticCustomError as error:
        raise Rejected(error.type, error.message()) from None


def request_message(method: Method, params: Params) -> Message:
    """Return a question as a JSON-RPC request; raises BadRequest where JSON would not say the same."""
    given = params.model_dump(by_alias=True, exclude_unset=True)
    document = {"jsonrpc": "2.0", "id": uuid4().hex, "method": method.value, "params": given}
    try:
        body = _encode(document)
    except Rejected as error:
        raise BadRequest(error.message) from None
    return Message(body, RPC_KEY, "application/json", False, method.value)


def _session_json(session: Content) -> orjson.Fragment:
    if isinstance(session, Session):
        return orjson.Fragment(_encode(session.model_dump(by_alias=True, exclude_unset=True)))
    return orjson.Fragment(_encode(dict(session)))


def _encode(value: object) -> bytes:
    """Return the value as JSON that is equal to it."""
    try:
        body = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Rejected(DeadLetterCode.BAD_JSON, f"cannot be written as JSON: {error}") from None
    if b"null" in body and _holds_infinity(value):  # orjson makes null of it
        raise Rejected(DeadLetterCode.BAD_NUMBER, "JSON has no NaN and no infinity")
    return body


def _holds_infinity(value: object) -> bool:
    pending = [value]
    while pending:
        match pending.pop():
            case float() as number if not math.isfinite(number):
                return True
            case dict() as items:
                pending.extend(items.values())
            case list() | tuple() as items:
                pending.extend(items)
    return False
