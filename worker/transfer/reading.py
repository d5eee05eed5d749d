"""Reads one session, or one event, out of bytes."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

import orjson
from pydantic import ValidationError

from contracts.outcomes import DeadLetterCode
from contracts.refusals import code_of, describe
from contracts.scalars import MAX_DEPTH
from contracts.session import Session
from worker.ingest.decode import row_of, row_of_write, validate
from worker.ingest.document import InvalidEvent, check_content, parse
from worker.store.rows import EventRow
from worker.transfer.event_identity import event_id_of, revision_of
from worker.transfer.findings import Location, Rejection

ENVELOPE_BYTES: Final = 1024  # of an event around its session, at most
ENVELOPE_DEPTH: Final = 2  # and its levels
INDENTATION: Final = 8  # times its bytes a session may have when it is pretty-printed
END: Final = "unexpected end of data"


class SourceText(NamedTuple):
    """The bytes of something and where they are; an event of it may have `largest` bytes."""

    place: Location
    body: bytes
    largest: int


def max_bytes(largest: int) -> int:
    """Return how many bytes are worth reading where an event may have `largest`."""
    return largest * INDENTATION


def read_session(text: SourceText) -> EventRow | Rejection:
    """Return the write of the session that these bytes are, in any layout of JSON, or what is wrong with it."""
    try:
        return _session_row(text, parse(text.body))
    except InvalidEvent as refused:
        return _explain(text, refused)


def read_line(text: SourceText) -> EventRow | Rejection:
    """Return the event that a line is, or the write of the session that it is, or what is wrong with it."""
    try:
        document = parse(text.body)
        if "specversion" not in document:
            return _session_row(text, document)
        if len(text.body) > text.largest:
            _check_size(len(orjson.dumps(document)), text.largest)
        return row_of(validate(text.body, document))
    except InvalidEvent as refused:
        return _explain(text, refused)


def _session_row(text: SourceText, document: dict[str, object]) -> EventRow:
    deepest = MAX_DEPTH - ENVELOPE_DEPTH
    if len(text.body) > text.largest - ENVELOPE_BYTES:
        _check_size(len(orjson.dumps(document)) + ENVELOPE_BYTES, text.largest)
    try:
        session = Session.model_validate(document)
    except ValidationError as error:
        check_content(text.body, document, None, deepest)
        raise InvalidEvent(code_of(error), describe(error)) from None
    check_content(text.body, document, document, deepest)
    return row_of_write(session, revision_of(session, datetime.now(UTC)), event_id_of(session), None)


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        reason = f"an event of it would have {size:,} bytes; {largest:,} are allowed"
        raise InvalidEvent(DeadLetterCode.TOO_LARGE, reason)


def _explain(text: SourceText, refused: InvalidEvent) -> Rejection:
    file, line = text.place
    if refused.code is DeadLetterCode.BAD_JSON:
        return _explain_syntax(text, refused)
    return Rejection(file, refused.code.value, refused.message, line)


def _explain_syntax(text: SourceText, refused: InvalidEvent) -> Rejection:
    """Say where it stops being JSON; of one line of many, the line is known and the column is of interest."""
    file, line = text.place
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
    return Rejection(file, refused.code.value, refused.message, line)
