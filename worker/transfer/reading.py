"""Reads one session, or one event, from bytes."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import orjson
from pydantic import ValidationError

from contracts.limits import MAX_DEPTH
from contracts.outcomes import DeadLetterCode
from contracts.refusals import code_of, describe
from contracts.session import Session
from worker.ingest.decode import row_of, row_of_write, validate
from worker.ingest.document import InvalidEvent, ParsedBody, check_content, parse
from worker.store.rows import EventRow
from worker.transfer.event_identity import event_id_of, revision_of, updated_at_of
from worker.transfer.findings import Location, Rejection

ENVELOPE_BYTES: Final = 1024  # of an event beside its session, at most
ENVELOPE_DEPTH: Final = 2  # levels of an event around its session
INDENTATION: Final = 8  # times as large a pretty-printed session may be
END: Final = "unexpected end of data"


class SourceText(NamedTuple):
    """Bytes and their location; the event made of them may have `max_event_bytes` bytes."""

    location: Location
    body: bytes
    max_event_bytes: int


def max_bytes(max_event_bytes: int) -> int:
    """Return how many bytes to read at most where an event may have `max_event_bytes`: files may be indented."""
    return max_event_bytes * INDENTATION


def read_session(text: SourceText) -> EventRow | Rejection:
    """Return the write of the session in these bytes, or why there is none."""
    try:
        return _session_row(text, parse(text.body))
    except InvalidEvent as invalid:
        return _explain(text, invalid)


def read_line(text: SourceText) -> EventRow | Rejection:
    """Return the event in a line, or the write of the session in it, or why there is none.

    The session of an event was last changed at the event's own time.
    """
    try:
        parsed = parse(text.body)
        if "specversion" not in parsed.document:
            return _session_row(text, parsed)
        if len(text.body) > text.max_event_bytes:
            _check_size(len(orjson.dumps(parsed.document)), text.max_event_bytes)
        event = validate(parsed)
        row = row_of(event)
        if row.is_delete or row.updated_at or not event.time:
            return row
        return row._replace(updated_at=event.time.isoformat())
    except InvalidEvent as invalid:
        return _explain(text, invalid)


def _session_row(text: SourceText, parsed: ParsedBody) -> EventRow:
    max_depth = MAX_DEPTH - ENVELOPE_DEPTH
    if len(text.body) > text.max_event_bytes - ENVELOPE_BYTES:
        _check_size(len(orjson.dumps(parsed.document)) + ENVELOPE_BYTES, text.max_event_bytes)
    try:
        session = Session.model_validate(parsed.document)
    except ValidationError as error:
        check_content(parsed, None, max_depth)
        raise parsed.invalid(code_of(error), describe(error)) from None
    check_content(parsed, parsed.document, max_depth)
    revision = revision_of(session, datetime.now(UTC))
    return row_of_write(session, revision, event_id_of(session), None, updated_at_of(session))


def _check_size(size: int, max_event_bytes: int) -> None:
    if size > max_event_bytes:
        reason = f"an event of it would have {size:,} bytes; {max_event_bytes:,} are allowed"
        raise InvalidEvent(DeadLetterCode.TOO_LARGE, reason)


def _explain(text: SourceText, invalid: InvalidEvent) -> Rejection:
    file, line = text.location
    if invalid.code is DeadLetterCode.BAD_JSON:
        return _explain_syntax(text, invalid)
    return Rejection(file, invalid.code.value, invalid.message, line)


def _explain_syntax(text: SourceText, invalid: InvalidEvent) -> Rejection:
    """Return where the text stops being JSON; in a file of lines the line is known, and the column is within it."""
    file, line = text.location
    if not text.body.strip():
        return Rejection(file, "empty", "there is nothing in it", line or 1, 1)
    try:
        text.body.decode()
    except UnicodeDecodeError as error:
        if error.reason == END:
            return Rejection(file, "cut_off", "it ends within a character", line)
        before = text.body[: error.start].decode()
        row, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Rejection(file, "not_utf8", f"byte {error.start + 1} is not UTF-8", line or row, column)
    try:
        orjson.loads(text.body)
    except orjson.JSONDecodeError as error:
        code, reason = (
            ("cut_off", "it ends too early") if error.msg.startswith(END) else ("bad_json", error.msg)
        )
        return Rejection(file, code, reason, line or error.lineno, error.colno)
    return Rejection(file, invalid.code.value, invalid.message, line)
