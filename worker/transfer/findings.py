"""What is found in a file: sessions and what is none."""

from typing import NamedTuple

from worker.store.rows import EventRow


class Location(NamedTuple):
    """Where something stands: a file, and the line of it where a file has several sessions."""

    file: str
    line: int | None = None


class Rejection(NamedTuple):
    """Something that cannot be taken, and why; `line` and `column` count from 1, as far as they are known."""

    file: str
    code: str
    reason: str
    line: int | None = None
    column: int | None = None

    def as_json(self) -> dict[str, object]:
        """Return what is known of it."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        """Return it as one line for people."""
        position = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.file}{position}: {self.reason} ({self.code})"


class ParsedEvent(NamedTuple):
    """An event and where it was found."""

    place: Location
    event: EventRow


class ReadResult(NamedTuple):
    """What a portion holds; every file or line of it is in one of the three."""

    found: list[ParsedEvent]
    refusals: list[Rejection]
    skipped: int = 0
