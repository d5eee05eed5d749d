"""Dead letters as text that is safe to print: nothing a sender wrote can drive a terminal."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from contracts.session import format_timestamp
from worker.cli.dead.documents import plain
from worker.dead_letters.dead_letter import DeadLetter, Failure

COLUMNS: Final = ("number", "failed at", "code", "tries", "queue", "session", "event id", "message")
DEEPEST: Final = 64
MOST_BYTES: Final = 4096
_TOKEN: Final = re.compile(r'\{\s*\}|\[\s*\]|"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)


def printable(text: str) -> str:
    """Return `text` on one line, every character that is not plainly visible as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class LetterTable:
    """A table whose lines can be printed one by one: its columns are wide enough for what is usual."""

    def __init__(self, queue_width: int) -> None:
        self._widths = (6, 20, 19, 5, queue_width, 24, 36, 0)

    def heading(self) -> str:
        """Return the first line."""
        return self._align(COLUMNS)

    def row(self, letter: DeadLetter) -> str:
        """Return a letter as a line, every value whole."""
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


def lines_of(letter: DeadLetter) -> Iterator[str]:
    """Yield all there is of a letter, line by line."""
    yield f"letter {letter.number}"
    yield from _fields(_facts(letter))
    for number, failure in enumerate(letter.history, 1):
        yield from _section(f"earlier failure {number}", _failure(failure))
    yield from _section("properties", letter.values)
    yield from _section("headers", letter.headers)
    if letter.undecodable is not None:
        yield from ("", "undecodable properties, as they came", *_dump(letter.undecodable))
    yield from ("", f"body ({len(letter.delivery.body):,} bytes)")
    yield from pretty(letter.delivery.body)


def pretty(body: bytes) -> Iterator[str]:
    """Yield a body's lines: what looks like JSON indented, each number and key as it was sent.

    Works on tokens, so that broken JSON shows where it breaks; bytes that are not UTF-8 are escapes.
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
        **_failure(letter.failure),
        "routing key": letter.delivery.routing_key,
        "session": " and ".join(letter.session_ids) or "-",
        "event id": letter.event_id or "-",
    }


def _failure(failure: Failure) -> Mapping[str, object]:
    return {
        "code": failure.code,
        "message": failure.message,
        "failed at": failure.failed_at or "-",
        "queue": failure.queue or "-",
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
    for at in range(0, min(len(raw), MOST_BYTES), 16):
        row = raw[at : at + 16]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {at:06x}  {row.hex(' ').ljust(47)}  {seen}"
    if len(raw) > MOST_BYTES:
        yield f"  … {len(raw) - MOST_BYTES:,} bytes more: --json prints them all"


def _indented(depth: int, line: str) -> str:
    return "  " * min(depth, DEEPEST) + line
