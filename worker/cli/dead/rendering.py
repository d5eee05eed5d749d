"""Dead letters as text and as JSON that are safe to print: nothing a sender wrote can drive a terminal."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import Final

from contracts.session import format_timestamp
from worker.cli.console import printable
from worker.dead_letters.dead_letter import DeadLetter, Failure

COLUMNS: Final = ("number", "failed at", "code", "tries", "queue", "session", "event id", "message")
MAX_INDENT: Final = 64
MAX_DUMP_BYTES: Final = 4096
_TOKEN: Final = re.compile(r'\{\s*\}|\[\s*\]|"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)

Json = dict[str, object]


class DeadLetterTable:
    """A table that can be printed line by line: its columns have the width of the usual values."""

    def __init__(self, queue_width: int) -> None:
        self._widths = (6, 20, 19, 5, queue_width, 24, 36, 0)

    def heading(self) -> str:
        """Return the first line."""
        return self._align(COLUMNS)

    def row(self, letter: DeadLetter) -> str:
        """Return a dead letter as a line, every value in full."""
        failure = letter.failure
        moment = failure.failed_at and format_timestamp(failure.failed_at.replace(microsecond=0))
        cells = (
            str(letter.number),
            moment.replace(".000", "") if moment else "-",
            failure.code,
            str(len(letter.history) + 1),
            failure.queue or "-",
            next(iter(letter.session_ids), "-") or '""',
            letter.event_id or "-",
            failure.message,
        )
        return self._align(tuple(map(printable, cells)))

    def _align(self, cells: tuple[str, ...]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True))
        return "  ".join(padded).rstrip()


def summary_of(letter: DeadLetter) -> Json:
    """Return the values of the table as JSON, times and names in full."""
    return {
        "number": letter.number,
        **_failure_document(letter.failure),
        "tries": len(letter.history) + 1,
        "routingKey": letter.delivery.routing_key,
        "sessionId": next(iter(letter.session_ids), None),
        "eventId": letter.event_id,
        "bytes": len(letter.delivery.body),
    }


def document_of(letter: DeadLetter) -> Json:
    """Return a whole dead letter as JSON.

    The body is text in `body`, or in `bodyBase64` when it is not UTF-8; bytes in headers are `{"base64": …}`.
    """
    document = {
        **summary_of(letter),
        "history": [_failure_document(failure) for failure in letter.history],
        "properties": plain(letter.values),
        "headers": plain(letter.headers),
    }
    if letter.undecodable is not None:
        document["undecodableProperties"] = plain(letter.undecodable)
    try:
        return {**document, "body": letter.delivery.body.decode()}
    except UnicodeDecodeError:
        return {**document, "bodyBase64": b64encode(letter.delivery.body).decode()}


def json_line(value: Json) -> str:
    """Return a value as one line of ASCII."""
    return json.dumps(value, separators=(",", ":"))


def plain(value: object) -> object:
    """Return an AMQP value in the types of JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case bytes() | bytearray():
            return {"base64": b64encode(value).decode()}
        case datetime():
            return format_timestamp(value)
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return str(value)


def lines_of(letter: DeadLetter) -> Iterator[str]:
    """Yield a whole dead letter, line by line."""
    yield f"dead letter {letter.number}"
    yield from _fields(_facts(letter))
    for number, failure in enumerate(letter.history, 1):
        yield from _section(f"earlier failure {number}", _failure_fields(failure))
    yield from _section("properties", letter.values)
    yield from _section("headers", letter.headers)
    if letter.undecodable is not None:
        yield from ("", "undecodable properties, as received", *_dump(letter.undecodable))
    yield from ("", f"body ({len(letter.delivery.body):,} bytes)")
    yield from pretty(letter.delivery.body)


def pretty(body: bytes) -> Iterator[str]:
    """Yield a body's lines: JSON is indented, each number and key stays as it was sent.

    Works on tokens, so that broken JSON shows where it breaks; bytes that are not UTF-8 become escapes.
    """
    text = body.decode(errors="backslashreplace")
    if text.lstrip()[:1] not in ("{", "["):
        yield from (f"  {printable(line)}" for line in text.split("\n"))
        return
    line, depth = "", 1
    for token in _TOKEN.findall(text):
        match token:
            case "{" | "[":
                yield _indented(depth, line + token)
                line, depth = "", depth + 1
            case "}" | "]":
                if line:
                    yield _indented(depth, line)
                line, depth = token, max(1, depth - 1)
            case ",":
                yield _indented(depth, line + token)
                line = ""
            case ":":
                line += ": "
            case _:
                gap = " " if line and not line.endswith(" ") else ""
                line += gap + printable(token)
    yield _indented(depth, line)


def _facts(letter: DeadLetter) -> Mapping[str, object]:
    return {
        **_failure_fields(letter.failure),
        "routing key": letter.delivery.routing_key,
        "session": " and ".join(letter.session_ids) or "-",
        "event id": letter.event_id or "-",
    }


def _failure_fields(failure: Failure) -> Mapping[str, object]:
    return {
        "code": failure.code,
        "message": failure.message,
        "failed at": failure.failed_at or "-",
        "queue": failure.queue or "-",
    }


def _failure_document(failure: Failure) -> Json:
    return {
        "failedAt": format_timestamp(failure.failed_at) if failure.failed_at else None,
        "code": failure.code,
        "message": failure.message,
        "queue": failure.queue or None,
    }


def _section(title: str, values: Mapping[str, object]) -> Iterator[str]:
    if values:
        yield from ("", title, *_fields(values))


def _fields(values: Mapping[str, object]) -> Iterator[str]:
    width = max(map(len, values))
    for name, value in values.items():
        simple = plain(value)
        text = simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)
        yield f"  {printable(name).ljust(width)}  {printable(text)}"


def _dump(raw: bytes) -> Iterator[str]:
    for at in range(0, min(len(raw), MAX_DUMP_BYTES), 16):
        row = raw[at : at + 16]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {at:06x}  {row.hex(' ').ljust(47)}  {seen}"
    if len(raw) > MAX_DUMP_BYTES:
        yield f"  … {len(raw) - MAX_DUMP_BYTES:,} bytes more: --json prints them all"


def _indented(depth: int, line: str) -> str:
    return "  " * min(depth, MAX_INDENT) + line
