"""Opens the source of an import: a folder, a file of lines, or standard input."""

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from worker.transfer.folder import chunks_of_folder, count_files
from worker.transfer.importing import Chunk
from worker.transfer.lines import chunks_of_lines

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """Chunks of files or lines (`unit`).

    `fraction_read` takes how many were read and returns the fraction of the source; None where its size is unknown.
    """

    unit: str
    chunks: Iterator[Chunk]
    fraction_read: Callable[[int], float | None]


@contextmanager
def open_source(given: str, max_event_bytes: int) -> Iterator[Source]:
    """Yield the source at a path, or standard input for `-`; an event may have `max_event_bytes` bytes.

    A file whose name ends in `.gz` is unpacked. Raises OSError where the path cannot be read.
    """
    path = Path(given)
    if given == STDIN:
        yield Source("lines", chunks_of_lines("stdin", sys.stdin.buffer, max_event_bytes), lambda _: None)
    elif path.is_dir():
        entries = count_files(path)
        yield Source(
            "files", chunks_of_folder(path, max_event_bytes), lambda read: read / entries if entries else None
        )
    else:
        with path.open("rb") as raw:
            size = path.stat().st_size
            packed = path.suffix == ".gz"
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            chunks = chunks_of_lines(given, file, max_event_bytes)
            yield Source("lines", chunks, lambda _: raw.tell() / size if size else None)
