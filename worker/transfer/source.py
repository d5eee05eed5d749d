"""What an import reads from: a folder, a file of lines, or standard input."""

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from worker.transfer.folder import count_files, portions_of_folder
from worker.transfer.importing import Portion
from worker.transfer.lines import portions_of_lines

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """Portions of files or lines (`unit`); `part_of` says how much of all so many are, None where nobody knows."""

    unit: str
    portions: Iterator[Portion]
    part_of: Callable[[int], float | None]


@contextmanager
def open_source(given: str, largest: int) -> Iterator[Source]:
    """Yield what is at a path, or on standard input for `-`; an event may have `largest` bytes.

    A file whose name ends in `.gz` is unpacked. Raises OSError where there is nothing to read.
    """
    path = Path(given)
    if given == STDIN:
        yield Source("lines", portions_of_lines("stdin", sys.stdin.buffer, largest), lambda _: None)
    elif path.is_dir():
        files = count_files(path)
        yield Source(
            "files", portions_of_folder(path, largest), lambda found: found / files if files else None
        )
    else:
        with path.open("rb") as raw:
            size = path.stat().st_size
            packed = path.suffix == ".gz"
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            portions = portions_of_lines(given, file, largest)
            yield Source("lines", portions, lambda _: raw.tell() / size if size else None)
