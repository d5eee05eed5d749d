"""The targets of an export; a target is complete, or it does not exist."""

import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import orjson

from contracts.session import format_timestamp
from worker.store.records import session_of
from worker.store.rows import StoredSession
from worker.transfer.findings import Rejection
from worker.transfer.folder import SUFFIX

MAX_NAME_BYTES: Final = 255


class Target(Protocol):
    """Writes sessions until it is closed."""

    def write(self, sessions: Sequence[StoredSession]) -> list[Rejection]:
        """Write sessions, and return those that cannot be written in this layout."""

    def close(self) -> None:
        """Return once everything is in the file."""


class FolderTarget:
    """The engine's own layout: `<sessionId>.json`, pretty-printed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(mode=0o700)

    def write(self, sessions: Sequence[StoredSession]) -> list[Rejection]:
        """Write a file for each session; an id that cannot be a file's name is rejected."""
        rejections = []
        for session in sessions:
            name = session.session_id + SUFFIX
            if is_file_name(name):
                document = orjson.loads(orjson.dumps(session_of(session)))
                (self._path / name).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
            else:
                reason = "its id cannot be the name of a file: export to NDJSON"
                rejections.append(Rejection(session.session_id, "no_file_name", reason))
        return rejections

    def close(self) -> None:
        """Do nothing: every file is closed."""


class LineTarget:
    """NDJSON: each line is the event that wrote the session, so that an import applies the same event."""

    def __init__(self, path: Path, *, packed: bool) -> None:
        self._raw = create_private(path)
        self._file = cast(BinaryIO, gzip.GzipFile("", "wb", 6, self._raw)) if packed else self._raw

    def write(self, sessions: Sequence[StoredSession]) -> list[Rejection]:
        """Write a line for each session."""
        lines = (orjson.dumps(_event_of(session), option=orjson.OPT_APPEND_NEWLINE) for session in sessions)
        self._file.writelines(lines)
        return []

    def close(self) -> None:
        """Return once everything is on the disk."""
        if self._file is not self._raw:
            self._file.close()
        fsync_and_close(self._raw)


def create_private(path: Path) -> BinaryIO:
    """Return a new file that only its owner may read; raises FileExistsError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def fsync_and_close(file: BinaryIO) -> None:
    """Close a file once its content is on the disk."""
    with file:
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a draft path beside `path` that is renamed to `path` at the end, and removed when the block fails.

    Raises FileExistsError where `path` exists, unless it is an empty folder.
    """
    path = path.resolve()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(0, "exists already")
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield draft
        draft.rename(path)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        draft.unlink(missing_ok=True)


def is_file_name(name: str) -> bool:
    """Return whether a file may have this name and an import would read it."""
    return "/" not in name and len(name.encode()) <= MAX_NAME_BYTES and os.path.splitext(name)[1] == SUFFIX


def _event_of(stored: StoredSession) -> dict[str, object]:
    changed = stored.updated_at or stored.created_at or stored.started_at
    return {
        "specversion": "1.0",
        "id": str(stored.event_id),
        "source": "session-store export",
        "type": "session.write",
        "subject": stored.session_id,
        "time": format_timestamp(changed),
        "data": {"revision": stored.revision, "session": session_of(stored)},
    }
