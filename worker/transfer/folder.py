"""The engine's file storage: a folder with one file `<sessionId>.json` a session."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from worker.store.rows import EventRow
from worker.transfer.findings import Location, ParsedEvent, ReadResult, Rejection
from worker.transfer.reading import SourceText, max_bytes, read_session

SUFFIX: Final = ".json"
CHUNK_FILES: Final = 250
CHUNK_BYTES: Final = 4 * 1024 * 1024
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe of that name may have no writer


class FileChunk(NamedTuple):
    """The names of some of a folder's files; `skipped` is the number of entries with another ending."""

    folder: str
    names: list[str]
    skipped: int
    max_event_bytes: int

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.names) + self.skipped

    def read(self) -> ReadResult:
        """Return the sessions in the files."""
        result = ReadResult([], [], self.skipped)
        for name in self.names:
            match _read_file(self.folder, name, self.max_event_bytes):
                case Rejection() as rejection:
                    result.rejections.append(rejection)
                case event:
                    result.events.append(ParsedEvent(Location(_printable(name)), event))
        return result


def count_files(folder: Path) -> int:
    """Return how many entries a folder has."""
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def chunks_of_folder(folder: Path, max_event_bytes: int) -> Iterator[FileChunk]:
    """Yield all files in no order, in chunks of at most 250 entries and about 4 MiB."""
    names: list[str] = []
    skipped = size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if os.path.splitext(entry.name)[1] == SUFFIX:
                names.append(entry.name)
                size += min(_size_of(entry), max_bytes(max_event_bytes))
            else:
                skipped += 1
            if len(names) + skipped >= CHUNK_FILES or size >= CHUNK_BYTES:
                yield FileChunk(str(folder), names, skipped, max_event_bytes)
                names, skipped, size = [], 0, 0
    if names or skipped:
        yield FileChunk(str(folder), names, skipped, max_event_bytes)


def _size_of(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:  # reading it gives the error
        return 0


def _read_file(folder: str, name: str, max_event_bytes: int) -> EventRow | Rejection:
    shown = _printable(name)
    try:
        body = _bytes_of(f"{folder}/{name}", max_bytes(max_event_bytes) + 1)
    except OSError as error:
        return Rejection(shown, "unreadable", error.strerror or str(error))
    if len(body) > max_bytes(max_event_bytes):
        return Rejection(shown, "too_large", f"it has more than {max_bytes(max_event_bytes):,} bytes")
    event = read_session(SourceText(Location(shown), body, max_event_bytes))
    if isinstance(event, Rejection) or event.session_id == name.removesuffix(SUFFIX):
        return event
    return Rejection(shown, "wrong_name", f"the session in it is {_printable(event.session_id)}")


def _bytes_of(path: str, max_file_bytes: int) -> bytes:
    """Return at most `max_file_bytes` of a regular file; raises OSError for anything else."""
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a regular file")
        body = os.read(descriptor, min(found.st_size, max_file_bytes) + 1)
        while len(body) < max_file_bytes and (more := os.read(descriptor, max_file_bytes - len(body))):
            body += more
        return body
    finally:
        os.close(descriptor)


def _printable(name: str) -> str:
    """Return a name of any file system as UTF-8 text without control characters."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace") if not name.isascii() else name
    return text if text.isprintable() else ascii(text)[1:-1]
