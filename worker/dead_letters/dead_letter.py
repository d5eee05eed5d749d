"""A dead letter as a value: what was refused, why, when, and how often before."""

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
LARGEST_PARSED: Final = 16 * 1024 * 1024
UNKNOWN: Final = "unknown"
_LIMIT_REASON: Final = b"\x06reasonS\x00\x00\x00\x0edelivery_limit"  # as AMQP encodes it in `x-death`
_DEATH_TIME: Final = b"\x04timeT"
_READ_ELSEWHERE: Final = (*FAILURE_HEADERS, UNDECODABLE_HEADER, *BROKERS_COUNTS)  # which count readings


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was refused once; `code` is one of the contract's, or the broker's own reason."""

    code: str
    message: str
    failed_at: datetime | None
    queue: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue; `number` is its place there, from 1.

    `history` holds earlier failures, oldest first: it was replayed after each. `session_ids` are those its
    body names, the subject first; like `event_id` they are what the sender wrote, valid or not.
    """

    number: int
    delivery: Delivery
    properties: Properties | None
    failure: Failure
    history: tuple[Failure, ...]
    session_ids: tuple[str, ...]
    event_id: str | None

    def is_of(self, player_id: str) -> bool:
        """Whether it is of a session of the player or, where that cannot be told, quotes the id."""
        match _parse(self.delivery.body):
            case {"data": {"session": {"playerId": str(owner)}}}:
                return owner == player_id
        body = self.delivery.body
        return orjson.dumps(player_id) in body or json.dumps(player_id).encode() in body

    @property
    def values(self) -> dict[str, object]:
        """The AMQP properties that are set, but for the headers, by name."""
        names = (name for name in Properties.attributes() if name != "headers")
        found = {name: getattr(self.properties, name, None) for name in names}
        return {name: value for name, value in found.items() if value not in (None, "")}

    @property
    def headers(self) -> dict[str, object]:
        """The message's own headers: those that say why it is here are in `failure` and `history`."""
        own = (self.properties.headers or {}) if self.properties else {}
        return {name: value for name, value in own.items() if name not in _READ_ELSEWHERE}

    @property
    def undecodable(self) -> bytes | None:
        """Properties that cannot be decoded, as they came; None when all were decoded."""
        if self.properties is None:
            return self.delivery.header[12:]
        match (self.properties.headers or {}).get(UNDECODABLE_HEADER):
            case bytes() | bytearray() as raw:
                return bytes(raw)
        return None


def read_dead_letter(delivery: Delivery, number: int) -> DeadLetter:
    """Return the letter in a delivery; whatever cannot be read of it is absent or `unknown`."""
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
            _moment(headers.get(FAILED_AT_HEADER)),
            _text(headers.get(ORIGIN_QUEUE_HEADER)),
        )
    match headers.get("x-death"):
        case [{"reason": reason, **death}, *_]:  # the latest death comes first
            code = _text(reason)
            return Failure(code, _explain(code), _moment(death.get("time")), _text(death.get("queue")))
    return Failure(UNKNOWN, "it has no header that says why it is here", None, "")


def _explain(reason: str) -> str:
    if reason == DeadLetterCode.DELIVERY_LIMIT:
        return f"delivered more than {DELIVERY_LIMIT} times and never settled"
    return f"dead-lettered by the broker: {reason}"


def _unreadable(delivery: Delivery) -> Failure:
    """Say what the bytes of undecodable properties tell: the worker's own letters always have decodable ones."""
    at = delivery.header.find(_DEATH_TIME) + len(_DEATH_TIME)
    if _LIMIT_REASON not in delivery.header or at + 8 > len(delivery.header):
        message = "the letter's own properties cannot be decoded"
        return Failure(DeadLetterCode.BAD_PROPERTIES, message, None, "")
    (seconds,) = struct.unpack_from(">Q", delivery.header, at)
    message = _explain(DeadLetterCode.DELIVERY_LIMIT) + "; its properties cannot be decoded"
    return Failure(DeadLetterCode.DELIVERY_LIMIT, message, _from_seconds(seconds), "")


def _history_of(headers: FieldTable) -> tuple[Failure, ...]:
    """Read what `replay` wrote; a sender may have put anything there."""
    match headers.get(HISTORY_HEADER):
        case list() as entries:
            return tuple(
                Failure(
                    _text(entry.get("code")),
                    _text(entry.get("message")),
                    _moment(entry.get("failed-at")),
                    _text(entry.get("queue")),
                )
                for entry in entries
                if isinstance(entry, dict)
            )
    return ()


def _identify(body: bytes) -> tuple[str | None, Iterable[str]]:
    """Return the event's id and the sessions it names, as far as the body can be parsed."""
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
        return orjson.loads(body) if len(body) <= LARGEST_PARSED else None
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bytes() | bytearray():
            return value.decode(errors="replace")
    return str(value)


def _moment(value: object) -> datetime | None:
    match value:
        case datetime():
            return value
        case str():
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return None
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _from_seconds(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
