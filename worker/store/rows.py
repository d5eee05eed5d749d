"""Rows sent to the database and read from it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from contracts.outcomes import Outcome


class EventRow(NamedTuple):
    """One valid event, its fields in the order of `apply_session_events`' parameters.

    `encounter`, `state` and `extra` are JSON in UTF-8, times ISO 8601 with an offset; every field after `is_delete`
    is None in a delete. `updated_at` is None where the time of storing counts.
    """

    session_id: str
    revision: int
    event_id: UUID
    expected_revision: int | None
    is_delete: bool
    player_id: str | None = None
    encounter: bytes | None = None
    state: bytes | None = None
    extra: bytes | None = None
    started_at: str | None = None
    completed_at: str | None = None
    updated_at: str | None = None


class StoredSession(NamedTuple):
    """A stored session and the id of the event that wrote it; `encounter`, `state` and `extra` are JSON text.

    A row that the original storage plugin wrote may lack `created_at` and `updated_at`.
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
    """The last event applied to a session, and its outcome: `stored`, `deleted` or `absent`."""

    revision: int
    event_id: UUID
    outcome: Outcome

    @property
    def stored_revision(self) -> int | None:
        """The revision of the stored session; None when the session is deleted."""
        return self.revision if self.outcome is Outcome.STORED else None


class Applied(NamedTuple):
    """The outcome that the database gave one event, and the ledger's entry before it."""

    outcome: Outcome
    before: LedgerEntry | None
