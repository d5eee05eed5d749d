"""The engine's file storage: a folder with a file `<sessionId>.json` for each session."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from worker.store.rows import EventRow
from worker.transfer.findings import Location, ParsedEvent, ReadResult, Rejection
from worker.transfer.reading import SourceText, max_bytes, read_session

SUFFIX: Final = ".json"
FILES: Final = 250
BYTES: Final = 4 * 1024 * 1024
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # nobody may write to a pipe of that name


class FileChunk(NamedTuple):
    """Some of a folder's files by name; `skipped` others are none by name."""

    folder: str
    names: list[str]
    skipped: int
    largest: int

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.names) + self.skipped

    def read(self) -> ReadResult:
        """Return what is in them."""
        findings = ReadResult([], [], self.skipped)
        for name in self.names:
            match _read_file(self.folder, name, self.largest):
                case Rejection() as refusal:
                    findings.refusals.append(refusal)
                case event:
                    findings.found.append(ParsedEvent(Location(_printable(name)), event))
        return findings


def count_files(folder: Path) -> int:
    """Return how many entries a folder has now."""
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def portions_of_folder(folder: Path, largest: int) -> Iterator[FileChunk]:
    """Yield all files, some hundreds or some megabytes at a time, in no order."""
    names: list[str] = []
    skipped = size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if os.path.splitext(entry.name)[1] == SUFFIX:
                names.append(entry.name)
                size += min(_size_of(entry), max_bytes(largest))
            else:
                skipped += 1
            if len(names) + skipped >= FILES or size >= BYTES:
                yield FileChunk(str(folder), names, skipped, largest)
                names, skipped, size = [], 0, 0
    if names or skipped:
        yield FileChunk(str(folder), names, skipped, largest)


def _size_of(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:  # reading it will tell
        return 0


def _read_file(folder: str, name: str, largest: int) -> EventRow | Rejection:
    shown = _printable(name)
    try:
        body = _bytes_of(f"{folder}/{name}", max_bytes(largest) + 1)
    except OSError as error:
        return Rejection(shown, "unreadable", error.strerror or str(error))
    if len(body) > max_bytes(largest):
        return Rejection(shown, "too_large", f"it has more than {max_bytes(largest):,} bytes")
    event = read_session(SourceText(Location(shown), body, largest))
    if isinstance(event, Rejection) or event.session_id == name.removesuffix(SUFFIX):
        return event
    return Rejection(shown, "wrong_name", f"the session in it is {_printable(event.session_id)}")


def _bytes_of(path: str, most: int) -> bytes:
    """Return at most so many bytes of a regular file."""
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a regular file")
        body = os.read(descriptor, min(found.st_size, most) + 1)
        while len(body) < most and (more := os.read(descriptor, most - len(body))):
            body += more
        return body
    finally:
        os.close(descriptor)


def _printable(name: str) -> str:
    """Return a name as UTF-8 text without control characters, whatever the file system has."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace") if not name.isascii() else name
    return text if text.isprintable() else ascii(text)[1:-1]
