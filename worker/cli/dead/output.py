"""Prints and saves dead letters while the queue is read, and counts them."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Final, Self, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from worker.cli.console import printable, warn
from worker.cli.dead.rendering import DeadLetterTable, document_of, json_line, summary_of
from worker.dead_letters.dead_letter import DeadLetter
from worker.errors import SessionStoreError

MAX_BLOCKS: Final = 250  # each of a page of dead letters: 100 MB at most


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, with an escape for every character that the terminal lacks."""
    _escape_what_stdout_lacks()
    print("\n".join(lines))


class Printer:
    """Writes to stdout in a thread of its own: a pager that waits for its reader must not hold the queue.

    Leaving the context waits until everything is printed, and raises the error of the output.
    """

    def __init__(self) -> None:
        self._blocks: Queue[str | None] = Queue(MAX_BLOCKS)
        self._thread = Thread(target=self._write, daemon=True)
        self._failed: OSError | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the output is closed."""
        return self._failed is not None

    async def print(self, lines: Iterable[str]) -> None:
        """Put the lines into the output; waits only when the output is far behind."""
        if block := "".join(f"{line}\n" for line in lines):
            await asyncio.to_thread(self._blocks.put, block)

    async def wait(self) -> None:
        """Return once everything is printed."""
        await asyncio.to_thread(self._blocks.join)

    def __enter__(self) -> Self:
        _escape_what_stdout_lacks()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.put(None)
        self._thread.join()
        if self._failed and error is None:
            raise self._failed

    def _write(self) -> None:
        while (block := self._blocks.get()) is not None:
            try:
                if not self._failed:
                    print(block, end="", flush=True)
            except OSError as error:
                self._failed = error
            self._blocks.task_done()


class Listing:
    """Prints dead letters as a table, or as a JSON document a line where there is no table."""

    def __init__(self, printer: Printer, table: DeadLetterTable | None) -> None:
        self._printer = printer
        self._table = table
        self._begun = False

    @property
    def is_broken(self) -> bool:
        """Whether the output is closed."""
        return self._printer.is_broken

    async def show(self, letters: Sequence[DeadLetter]) -> None:
        """Put the dead letters into the output."""
        if self._table is None:
            await self._printer.print(json_line(summary_of(letter)) for letter in letters)
        elif letters:
            heading = [] if self._begun else [self._table.heading()]
            await self._printer.print([*heading, *map(self._table.row, letters)])
            self._begun = True

    async def wait(self) -> None:
        """Return once everything is printed."""
        await self._printer.wait()


class DeadLetterFile:
    """A new file that only its owner may read, with a line of JSON for each dead letter in full.

    Raises SessionStoreError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise typer.BadParameter(f"{path} exists already", param_hint="--save")
        self._path = path
        self._file: TextIO | None = None

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Add dead letters; the first one creates the file."""
        try:
            if letters and self._file is None:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._file = os.fdopen(descriptor, "w", encoding="ascii")
            if self._file:
                self._file.writelines(f"{json_line(document_of(letter))}\n" for letter in letters)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Return once everything is on the disk."""
        try:
            if self._file:
                with self._file:
                    self._file.flush()
                    os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SessionStoreError:
        return SessionStoreError(f"cannot write {self._path}: {error.strerror}")


@dataclass(slots=True)
class Counts:
    """How many dead letters there are (None: not known yet), were read, and were handled, by code."""

    total: int | None = None
    read: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many dead letters were handled."""
        return self.codes.total()

    def count(self, letters: Sequence[DeadLetter]) -> None:
        """Add dead letters that were handled."""
        self.codes.update(letter.failure.code for letter in letters)

    def as_json(self) -> dict[str, object]:
        """Return the counts for programs."""
        return {"letters": self.total, "read": self.read, "codes": dict(self.codes)}

    def print(self, verb: str) -> None:
        """Print the counts to stderr."""
        if self.total is None:
            return
        if self.total == 0:
            warn("no dead letters (those that another `dead` command holds do not show)")
            return
        by_code = ", ".join(f"{printable(code)} {count:,}" for code, count in self.codes.most_common())
        read = f", {self.read:,} read" if self.read < self.total else ""
        warn(
            f"{verb} {self.done:,} of {self.total:,} dead letters{read}" + (f": {by_code}" if by_code else "")
        )


def progress_bar(*, shown: bool) -> Progress:
    """Return a bar over the places of the queue, on stderr; hidden where stderr is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not (shown and sys.stderr.isatty()))


def _escape_what_stdout_lacks() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
