"""The result of reading a source: events, and rejections of the rest."""

from collections.abc import Callable
from typing import NamedTuple

from worker.store.rows import EventRow


class Location(NamedTuple):
    """A file, and a line of it where a file has several sessions."""

    file: str
    line: int | None = None


class Rejection(NamedTuple):
    """A file or a line that is not imported, or a session that is not exported, and why.

    `line` and `column` count from 1; None where they are not known.
    """

    file: str
    code: str
    reason: str
    line: int | None = None
    column: int | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields that are known."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        """Return one line for people."""
        position = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.file}{position}: {self.reason} ({self.code})"


OnRejection = Callable[[Rejection], None]
"""Reports a rejection."""


class ParsedEvent(NamedTuple):
    """An event and its location."""

    location: Location
    event: EventRow


class ReadResult(NamedTuple):
    """The content of a chunk; each of its files or lines is in one of the three."""

    events: list[ParsedEvent]
    rejections: list[Rejection]
    skipped: int = 0
