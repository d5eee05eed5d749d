"""What the client says, as the bytes that are published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import orjson
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from contracts.client.errors import BadRequest, Rejected
from contracts.client.unsayable import explain, holds_infinity
from contracts.events import EVENT, code_of, describe
from contracts.outcomes import DeadLetterCode
from contracts.refusals import echo
from contracts.requests import Method, Params, check_content
from contracts.scalars import format_timestamp
from contracts.session import Session
from contracts.topology import RPC_KEY

BODY_LIMIT: Final = 1_048_576
LARGEST_REQUEST: Final = 4 * 1024 * 1024
SESSION_DEPTH: Final = 3  # in the event's data, in the event

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


def event_message(change: Change, source: str, limit: int = BODY_LIMIT) -> Message:
    """Return a change as a CloudEvent.

    Raises Rejected where JSON would not say the same, or in more bytes than the limit.
    """
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
    if len(body) > limit:
        raise Rejected(DeadLetterCode.TOO_LARGE, f"the body has {len(body)} bytes; {limit} are allowed")
    return Message(
        body, change.kind, "application/cloudevents+json", True, f"{change.kind} of {change.session_id}"
    )


def id_of(session: object) -> str:
    """Return the id of a session; raises Rejected for what is no object."""
    if isinstance(session, Session):
        return session.session_id
    if not isinstance(session, Mapping):
        raise Rejected(DeadLetterCode.BAD_SCHEMA, f"data.session must be an object (got {echo(session)})")
    return str(session.get("sessionId"))


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
    """Return a question as a JSON-RPC request; raises BadRequest where JSON would not say the same in 4 MiB."""
    given = params.model_dump(by_alias=True, exclude_unset=True)
    document = {"jsonrpc": "2.0", "id": uuid4().hex, "method": method.value, "params": given}
    try:
        body = _encode(document)
    except Rejected as error:
        raise BadRequest(error.message) from None
    if len(body) > LARGEST_REQUEST:
        raise BadRequest("the request passes 4 MiB")
    return Message(body, RPC_KEY, "application/json", False, method.value)


def _session_json(session: Content) -> orjson.Fragment:
    if isinstance(session, Session):
        return orjson.Fragment(_encode(session.model_dump(by_alias=True, exclude_unset=True), SESSION_DEPTH))
    return orjson.Fragment(_encode(dict(session), SESSION_DEPTH))


def _encode(value: object, depth: int = 1) -> bytes:
    """Return the value, at this depth of a message, as JSON that is equal to it; raises Rejected."""
    try:
        body = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        fault = explain(value, depth) or (DeadLetterCode.BAD_JSON, f"cannot be written as JSON: {error}")
        raise Rejected(*fault) from None
    if b"null" in body and holds_infinity(value) and (found := explain(value, depth)):
        raise Rejected(*found)
    return body
