"""Reads a valid event quickly: the content of a write stays the text of its message.

This module refuses nothing. An event that it does not accept goes to the models of the contract, which alone find its
fault. The models accept every event that this module accepts, and make the same row of it, except that they encode
the JSON again.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import orjson
from msgspec import UNSET, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder
from pydantic_core import PydanticCustomError

from contracts.limits import MAX_DEPTH, MAX_IDENTIFIER_CHARACTERS, MAX_REVISION
from contracts.scalars import parse_timestamp
from contracts.topology import DELETE_KEY, WRITE_KEY
from worker.ingest.numbers import may_change_numbers, shapes_of
from worker.store.rows import EventRow

Event = tuple[EventRow, datetime | None]
"""The row of an event, and the time that its publisher gave it."""

_QUOTED_UUID: Final = 38  # characters; the form without hyphens has fewer
_NULL_COMPLETION: Final = b'{"completedAt":null}'
_OPENING: Final = ord("{")
_UNICODE_ESCAPE: Final = re.compile(rb"\\(?=u)").search  # found by its first byte alone, which is quick
_ESCAPES: Final = re.compile(rb"\\.").sub
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'{}[]"'))
_AS_OBJECTS: Final = bytes.maketrans(b"[]", b"{}")


class NotPlain(Exception):
    """The models have to judge this event."""


class _Delete(Struct, gc=False, rename="camel"):
    revision: int
    expected_revision: int | None = None


class _Write(_Delete, gc=False, kw_only=True, rename="camel"):
    session: dict[str, Raw]
    updated_at: str | UnsetType = UNSET


class _Envelope(Struct, gc=False, kw_only=True):
    specversion: Literal["1.0"]
    id: Raw
    source: str
    subject: str
    time: str | None = None


class _WriteEvent(_Envelope, gc=False, kw_only=True):
    type: Literal["session.write"]
    data: _Write


class _DeleteEvent(_Envelope, gc=False, kw_only=True):
    type: Literal["session.delete"]
    data: _Delete


_EVENTS: Final[Mapping[str, Callable[[bytes], _WriteEvent | _DeleteEvent]]] = {
    WRITE_KEY: Decoder(_WriteEvent).decode,
    DELETE_KEY: Decoder(_DeleteEvent).decode,
}
_read_uuid: Final = Decoder(UUID).decode
_read_text: Final = Decoder(str).decode
_read_optional_text: Final = Decoder(str | None).decode


def read_plain(body: bytes, routing_key: str) -> Event | None:
    """Return the event in a body; None where the models have to judge it."""
    decode = _EVENTS.get(routing_key)
    if decode is None or not comes_back_equal(body):
        return None
    try:
        event = decode(body)
        if not event.source:
            return None
        time = None if event.time is None else parse_timestamp(event.time)
        return _row_of(event), time
    except (MsgspecError, PydanticCustomError, RecursionError, UnicodeDecodeError, KeyError, NotPlain):
        return None


def comes_back_equal(body: bytes) -> bool:
    """Whether PostgreSQL keeps every text and number of a body, if it is JSON, as it is written.

    False is not certain: text with an escape such as `\\u0000` is left to the models.
    """
    if _UNICODE_ESCAPE(body):
        return False
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    shapes = shapes_of(body)
    if shapes.count(b"{") > MAX_DEPTH and is_deeper(body, MAX_DEPTH):
        return False
    return not may_change_numbers(body, shapes)


def is_deeper(body: bytes, limit: int) -> bool:
    """Whether the objects and arrays of a body, if it is JSON, are nested in more than `limit` levels.

    The braces outside the strings are all that is left; each round takes away the innermost pairs.
    """
    pairs = _ESCAPES(b"", body).translate(_AS_OBJECTS, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in pairs:  # a string has braces
        pairs = b"".join(pairs.split(b'"')[::2])
    for _ in range(limit):
        if not pairs:
            return False
        pairs = pairs.replace(b"{}", b"")
    return bool(pairs)


def _row_of(event: _WriteEvent | _DeleteEvent) -> EventRow:
    data, subject = event.data, _identifier(event.subject)
    expected = data.expected_revision
    if not 1 <= data.revision <= MAX_REVISION or not 0 <= (expected or 0) <= MAX_REVISION:
        raise NotPlain
    if len(memoryview(event.id)) != _QUOTED_UUID:
        raise NotPlain
    event_id = _read_uuid(event.id)
    if isinstance(event, _DeleteEvent):
        return EventRow(subject, data.revision, event_id, expected, True)
    return _row_of_write(event.data, event_id, subject)


def _row_of_write(data: _Write, event_id: UUID, subject: str) -> EventRow:
    """The row of a write; the session's fields are taken away until those without a column are left."""
    take = data.session.pop
    if _read_text(take("sessionId")) != subject:
        raise NotPlain
    player = _identifier(_read_text(take("playerId")))
    encounter, state = _object(take("encounter")), _object(take("state"))
    started, given = _moment(_read_text(take("startedAt"))), take("completedAt", None)
    completed = None if given is None else _read_optional_text(given)
    return EventRow(
        subject,
        data.revision,
        event_id,
        data.expected_revision,
        False,
        player,
        encounter,
        state,
        _extra_of(data.session, has_null=given is not None and completed is None),
        started,
        None if completed is None else _moment(completed),
        None if data.updated_at is UNSET else _moment(data.updated_at),
    )


def _extra_of(session: dict[str, Raw], *, has_null: bool) -> bytes | None:
    """The fields without a column, as JSON; a null `completedAt` is one of them, so that a read returns it."""
    if not session:
        return _NULL_COMPLETION if has_null else None
    fields = [b"%b:%b" % (orjson.dumps(name), value) for name, value in session.items()]
    if has_null:
        fields.append(_NULL_COMPLETION[1:-1])
    return b"{%b}" % b",".join(fields)


def _identifier(text: str) -> str:
    if 0 < len(text) <= MAX_IDENTIFIER_CHARACTERS and text.isprintable():
        return text
    raise NotPlain


def _object(value: Raw) -> bytes:
    text = bytes(value)
    if text[0] == _OPENING:
        return text
    raise NotPlain


def _moment(text: str) -> str:
    return parse_timestamp(text).isoformat()
