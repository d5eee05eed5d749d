"""What a person is told about letters: a line for each, and how many there were."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from worker.cli.console import warn
from worker.cli.dead.documents import line_of, summary_of
from worker.cli.dead.printing import Printer
from worker.cli.dead.text import LetterTable, printable
from worker.dead_letters.dead_letter import DeadLetter


class Listing:
    """Prints letters as a table, or as a JSON document a line."""

    def __init__(self, printer: Printer, table: LetterTable | None) -> None:
        self._printer = printer
        self._table = table
        self._begun = False

    @property
    def is_broken(self) -> bool:
        """Whether nobody reads it any more."""
        return self._printer.is_broken

    async def show(self, letters: Sequence[DeadLetter]) -> None:
        """Have the letters printed soon."""
        if self._table is None:
            await self._printer.print(line_of(summary_of(letter)) for letter in letters)
        elif letters:
            heading = [] if self._begun else [self._table.heading()]
            await self._printer.print([*heading, *map(self._table.row, letters)])
            self._begun = True

    async def wait(self) -> None:
        """Return once everything is printed."""
        await self._printer.wait()


@dataclass(slots=True)
class Tally:
    """How many letters there were (None: nobody knows yet), were read, and were done with, by code."""

    total: int | None = None
    read: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many letters were counted."""
        return self.codes.total()

    def count(self, letters: Sequence[DeadLetter]) -> None:
        """Add letters that were done with."""
        self.codes.update(letter.failure.code for letter in letters)

    def as_json(self) -> dict[str, object]:
        """Return the counts for programs."""
        return {"letters": self.total, "read": self.read, "codes": dict(self.codes)}

    def say(self, verb: str) -> None:
        """Print the counts to stderr."""
        if self.total is None:
            return
        if self.total == 0:
            warn("no letters (those that another `dead` command holds do not show)")
            return
        by_code = ", ".join(f"{printable(code)} {count:,}" for code, count in self.codes.most_common())
        read = f", {self.read:,} read" if self.read < self.total else ""
        warn(f"{verb} {self.done:,} of {self.total:,} letters{read}" + (f": {by_code}" if by_code else ""))


def progress_bar(*, shown: bool) -> Progress:
    """Return a bar over places of the queue, on stderr; never shown where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not (shown and sys.stderr.isatty()))
