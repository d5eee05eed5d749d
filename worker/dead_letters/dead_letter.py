"""A dead letter as a value: a message, and why, when and how often it failed."""

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from pamqp.common import FieldTable

from contracts.dead_letters import (
    CODE_HEADER,
    FAILED_AT_HEADER,
    HISTORY_HEADER,
    MESSAGE_HEADER,
    ORIGIN_QUEUE_HEADER,
)
from contracts.outcomes import DeadLetterCode
from contracts.topology import DELIVERY_LIMIT
from worker.broker.delivery import Delivery, Properties
from worker.broker.properties import BROKERS_COUNTS, UNDECODABLE_HEADER

FAILURE_HEADERS: Final = (CODE_HEADER, MESSAGE_HEADER, FAILED_AT_HEADER, ORIGIN_QUEUE_HEADER, HISTORY_HEADER)
MAX_PARSED_BYTES: Final = 16 * 1024 * 1024
UNKNOWN: Final = "unknown"
_LIMIT_REASON: Final = b"\x06reasonS\x00\x00\x00\x0edelivery_limit"  # as AMQP encodes it in `x-death`
_DEATH_TIME: Final = b"\x04timeT"
_READ_ELSEWHERE: Final = (*FAILURE_HEADERS, UNDECODABLE_HEADER, *BROKERS_COUNTS)  # these count the reads


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of a message; `code` is one of the contract's, or the broker's own reason."""

    code: str
    message: str
    failed_at: datetime | None
    queue: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue; `number` is its place in the queue, from 1.

    `history` holds earlier failures, oldest first: the message was replayed after each. `session_ids` are those in
    its body, the subject first; they and `event_id` are as the sender wrote them, valid or not.
    """

    number: int
    delivery: Delivery
    properties: Properties | None
    failure: Failure
    history: tuple[Failure, ...]
    session_ids: tuple[str, ...]
    event_id: str | None

    def is_of(self, player_id: str) -> bool:
        """Whether its session is the player's or, where its body names no player, the id is quoted in the body."""
        match _parse(self.delivery.body):
            case {"data": {"session": {"playerId": str(owner)}}}:
                return owner == player_id
        body = self.delivery.body
        return orjson.dumps(player_id) in body or json.dumps(player_id).encode() in body

    @property
    def values(self) -> dict[str, object]:
        """The AMQP properties that are set, without the headers, by name."""
        names = (name for name in Properties.attributes() if name != "headers")
        found = {name: getattr(self.properties, name, None) for name in names}
        return {name: value for name, value in found.items() if value not in (None, "")}

    @property
    def headers(self) -> dict[str, object]:
        """The message's own headers; those that describe its failures are in `failure` and `history`."""
        own = (self.properties.headers or {}) if self.properties else {}
        return {name: value for name, value in own.items() if name not in _READ_ELSEWHERE}

    @property
    def undecodable(self) -> bytes | None:
        """The bytes of properties that cannot be decoded; None when all were decoded."""
        if self.properties is None:
            return self.delivery.header[12:]
        match (self.properties.headers or {}).get(UNDECODABLE_HEADER):
            case bytes() | bytearray() as raw:
                return bytes(raw)
        return None


def read_dead_letter(delivery: Delivery, number: int) -> DeadLetter:
    """Return the dead letter in a delivery; unreadable parts are absent or `unknown`."""
    properties = delivery.read_properties()
    headers: FieldTable = (properties.headers or {}) if properties else {}
    failure = _failure_of(headers) if properties else _unreadable(delivery)
    event_id, session_ids = _identify(delivery.body)
    return DeadLetter(
        number, delivery, properties, failure, _history_of(headers), tuple(session_ids), event_id
    )


def _failure_of(headers: FieldTable) -> Failure:
    if CODE_HEADER in headers:
        return Failure(
            _text(headers[CODE_HEADER]),
            _text(headers.get(MESSAGE_HEADER)),
            _time_of(headers.get(FAILED_AT_HEADER)),
            _text(headers.get(ORIGIN_QUEUE_HEADER)),
        )
    match headers.get("x-death"):
        case [{"reason": reason, **death}, *_]:  # the latest death comes first
            code = _text(reason)
            return Failure(code, _explain(code), _time_of(death.get("time")), _text(death.get("queue")))
    return Failure(UNKNOWN, "it has no header that says why it is here", None, "")


def _explain(reason: str) -> str:
    if reason == DeadLetterCode.DELIVERY_LIMIT:
        return f"delivered more than {DELIVERY_LIMIT} times and never settled"
    return f"dead-lettered by the broker: {reason}"


def _unreadable(delivery: Delivery) -> Failure:
    """Return the failure that the bytes of undecodable properties name: only the broker writes such dead letters."""
    at = delivery.header.find(_DEATH_TIME) + len(_DEATH_TIME)
    if _LIMIT_REASON not in delivery.header or at + 8 > len(delivery.header):
        message = "the letter's own properties cannot be decoded"
        return Failure(DeadLetterCode.BAD_PROPERTIES, message, None, "")
    (seconds,) = struct.unpack_from(">Q", delivery.header, at)
    message = _explain(DeadLetterCode.DELIVERY_LIMIT) + "; its properties cannot be decoded"
    return Failure(DeadLetterCode.DELIVERY_LIMIT, message, _from_seconds(seconds), "")


def _history_of(headers: FieldTable) -> tuple[Failure, ...]:
    """Return the history that `replay` wrote; a sender may have written anything into the header."""
    match headers.get(HISTORY_HEADER):
        case list() as entries:
            return tuple(
                Failure(
                    _text(entry.get("code")),
                    _text(entry.get("message")),
                    _time_of(entry.get("failed-at")),
                    _text(entry.get("queue")),
                )
                for entry in entries
                if isinstance(entry, dict)
            )
    return ()


def _identify(body: bytes) -> tuple[str | None, Iterable[str]]:
    """Return the event's id and its session ids, as far as the body can be parsed."""
    event = _parse(body)
    if not isinstance(event, dict):
        return None, ()
    named = [event.get("subject")]
    match event:
        case {"data": {"session": {"sessionId": session_id}}}:
            named.append(session_id)
    event_id = event.get("id")
    return event_id if isinstance(event_id, str) else None, dict.fromkeys(
        name for name in named if isinstance(name, str)
    )


def _parse(body: bytes) -> object:
    try:
        return orjson.loads(body) if len(body) <= MAX_PARSED_BYTES else None
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bytes() | bytearray():
            return value.decode(errors="replace")
    return str(value)


def _time_of(value: object) -> datetime | None:
    match value:
        case datetime():
            return value
        case str():
            try:
                time = datetime.fromisoformat(value)
            except ValueError:
                return None
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None


def _from_seconds(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
