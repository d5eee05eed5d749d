"""The shapes that go to the database and come back from it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from contracts.outcomes import Outcome


class EventRow(NamedTuple):
    """One valid event, its fields in the order of `apply_session_events`' parameters.

    `encounter`, `state` and `extra` are JSON text, times ISO 8601 with an offset; all that follows `is_delete`
    is None in a delete.
    """

    session_id: str
    revision: int
    event_id: UUID
    expected_revision: int | None
    is_delete: bool
    player_id: str | None = None
    encounter: str | None = None
    state: str | None = None
    extra: str | None = None
    started_at: str | None = None
    completed_at: str | None = None


class StoredSession(NamedTuple):
    """A session as it is stored, and the event that wrote it; `encounter`, `state` and `extra` are JSON text.

    A row that was there before this program may lack the times of its own making and change.
    """

    session_id: str
    player_id: str
    encounter: str
    state: str
    extra: str | None
    started_at: datetime
    completed_at: datetime | None
    revision: int
    created_at: datetime | None
    updated_at: datetime | None
    event_id: UUID


class LedgerEntry(NamedTuple):
    """The last event applied to a session, and what it did: `stored`, `deleted` or `absent`."""

    revision: int
    event_id: UUID
    outcome: Outcome

    @property
    def stored_revision(self) -> int | None:
        """The revision of the session that is there; None when none is."""
        return self.revision if self.outcome is Outcome.STORED else None


class Applied(NamedTuple):
    """What the database decided about one event, and the ledger's entry before it."""

    outcome: Outcome
    before: LedgerEntry | None
