"""A control event: valid content by which a refused event is told from a database that refuses every event.

PostgreSQL gives both the same SQLSTATE: 54000 stands for a text that no index can hold, and for a database that has
no transaction ids left; 23502 for an absent value, and for a column that somebody added.
"""

from datetime import UTC, datetime
from uuid import uuid4

from worker.store.rows import EventRow


class ControlEvent:
    """Makes events for a session of their own, with the content that the database took last."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self._content = EventRow(
            session_id="",
            revision=int(now.timestamp() * 1_000_000),
            event_id=uuid4(),
            expected_revision=None,
            is_delete=False,
            player_id="session-store",
            encounter=b"{}",
            state=b"{}",
            started_at=now.isoformat(),
        )

    def note(self, stored: EventRow) -> None:
        """Use the content of this event from now on, if it has any."""
        if not stored.is_delete:
            self._content = stored

    def make(self) -> EventRow:
        """Return a new event; it must not be committed."""
        event_id = uuid4()
        return self._content._replace(
            session_id=f"control {event_id}", event_id=event_id, expected_revision=None
        )

    def make_delete(self) -> EventRow:
        """Return a new delete; it must not be committed."""
        event = self.make()
        return EventRow(event.session_id, event.revision, event.event_id, None, is_delete=True)
