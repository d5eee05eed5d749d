"""The order law (docs/glossary.md) as ten lines of Python, to compare the database with."""

from typing import NamedTuple
from uuid import UUID


class Event(NamedTuple):
    """A write or a delete; `expected` is the contract's expectedRevision."""

    session_id: str
    revision: int
    id: UUID
    is_delete: bool = False
    expected: int | None = None


class Entry(NamedTuple):
    """The last event applied to a session, with its outcome: stored, deleted or absent."""

    revision: int
    event_id: UUID
    outcome: str


def judge(entry: Entry | None, event: Event) -> tuple[str, Entry | None]:
    """Return the event's outcome after the session's last entry, and the session's new last entry."""
    live = entry.revision if entry and entry.outcome == "stored" else 0
    if entry and (entry.revision, entry.event_id) == (event.revision, event.id):
        return "duplicate", entry
    if entry and (entry.revision, entry.event_id) > (event.revision, event.id):
        return "superseded", entry
    if event.expected not in (None, live):
        return "conflict", entry
    outcome = "stored" if not event.is_delete else "deleted" if live else "absent"
    return outcome, Entry(event.revision, event.id, outcome)
