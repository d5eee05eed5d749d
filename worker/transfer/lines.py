"""NDJSON: each line is a session, or an event of the contract."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from worker.store.rows import EventRow
from worker.transfer.findings import Location, ParsedEvent, ReadResult, Rejection
from worker.transfer.reading import SourceText, max_bytes, read_line

CHUNK_LINES: Final = 250
CHUNK_BYTES: Final = 4 * 1024 * 1024


class Line(NamedTuple):
    """A line and its number, from 1; a line that cannot be read has a code and a reason instead of bytes."""

    number: int
    body: bytes
    fault: tuple[str, str] | None = None


class LineChunk(NamedTuple):
    """Some lines of a file."""

    file: str
    lines: list[Line]
    max_event_bytes: int

    @property
    def size(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def read(self) -> ReadResult:
        """Return the events in the lines; empty lines are skipped."""
        filled = [line for line in self.lines if line.fault or line.body.strip()]
        result = ReadResult([], [], len(self.lines) - len(filled))
        for line in filled:
            location = Location(self.file, line.number)
            match self._read_line(location, line):
                case Rejection() as rejection:
                    result.rejections.append(rejection)
                case event:
                    result.events.append(ParsedEvent(location, event))
        return result

    def _read_line(self, location: Location, line: Line) -> EventRow | Rejection:
        if line.fault:
            return Rejection(location.file, *line.fault, location.line)
        return read_line(SourceText(location, line.body, self.max_event_bytes))


def chunks_of_lines(name: str, file: BinaryIO, max_event_bytes: int) -> Iterator[LineChunk]:
    """Yield all lines in order, in chunks of at most 250 lines and about 4 MiB."""
    chunk: list[Line] = []
    size = 0
    for line in _lines_of(file, max_bytes(max_event_bytes)):
        chunk.append(line)
        size += len(line.body)
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield LineChunk(name, chunk, max_event_bytes)
            chunk, size = [], 0
    if chunk:
        yield LineChunk(name, chunk, max_event_bytes)


def _lines_of(file: BinaryIO, max_line_bytes: int) -> Iterator[Line]:
    """Yield the lines; where a file cannot be read any further, the last one has the reason."""
    number = 0
    try:
        while body := file.readline(max_line_bytes + 1):
            number += 1
            if len(body) <= max_line_bytes:
                yield Line(number, body)
                continue
            while body and not body.endswith(b"\n"):
                body = file.readline(max_line_bytes)
            yield Line(number, b"", ("too_large", f"it has more than {max_line_bytes:,} bytes"))
    except (OSError, EOFError, zlib.error) as error:
        yield Line(number + 1, b"", ("unreadable", str(error)))
