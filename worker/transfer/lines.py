"""NDJSON: a session or an event of the contract a line."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from worker.store.rows import EventRow
from worker.transfer.findings import Location, ParsedEvent, ReadResult, Rejection
from worker.transfer.reading import SourceText, max_bytes, read_line

LINES: Final = 250
BYTES: Final = 4 * 1024 * 1024


class Line(NamedTuple):
    """A line by its number, from 1 on; one that cannot be had has a code and a reason instead of bytes."""

    number: int
    body: bytes
    fault: tuple[str, str] | None = None


class LineChunk(NamedTuple):
    """Some lines of a file."""

    file: str
    lines: list[Line]
    largest: int

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.lines)

    def read(self) -> ReadResult:
        """Return what is in them; empty lines are skipped."""
        filled = [line for line in self.lines if line.fault or line.body.strip()]
        findings = ReadResult([], [], len(self.lines) - len(filled))
        for line in filled:
            place = Location(self.file, line.number)
            match self._read_line(place, line):
                case Rejection() as refusal:
                    findings.refusals.append(refusal)
                case event:
                    findings.found.append(ParsedEvent(place, event))
        return findings

    def _read_line(self, place: Location, line: Line) -> EventRow | Rejection:
        if line.fault:
            return Rejection(place.file, *line.fault, place.line)
        return read_line(SourceText(place, line.body, self.largest))


def portions_of_lines(name: str, file: BinaryIO, largest: int) -> Iterator[LineChunk]:
    """Yield all lines in order, some hundreds or some megabytes at a time."""
    portion: list[Line] = []
    size = 0
    for line in _lines_of(file, max_bytes(largest)):
        portion.append(line)
        size += len(line.body)
        if len(portion) >= LINES or size >= BYTES:
            yield LineChunk(name, portion, largest)
            portion, size = [], 0
    if portion:
        yield LineChunk(name, portion, largest)


def _lines_of(file: BinaryIO, most: int) -> Iterator[Line]:
    """Yield the lines; what cannot be unpacked any further is the last."""
    number = 0
    try:
        while body := file.readline(most + 1):
            number += 1
            if len(body) <= most:
                yield Line(number, body)
                continue
            while body and not body.endswith(b"\n"):
                body = file.readline(most)
            yield Line(number, b"", ("too_large", f"it has more than {most:,} bytes"))
    except (OSError, EOFError, zlib.error) as error:
        yield Line(number + 1, b"", ("unreadable", str(error)))
