"""Revisions: microseconds since the epoch, raised above every revision seen (contract: Event)."""

import time
from collections import OrderedDict
from collections.abc import Iterable

from ..limits import MAX_PENDING_WRITES, MAX_REVISION, REMEMBERED_REVISIONS
from ..replies import Record


class HybridClock:
    """Gives each write a revision greater than any that this client has given or read for the session.

    It follows the wall clock. Where the wall clock is behind (it was set back, or another engine's is ahead), the
    clock counts on by one. A session whose revision lies in the future raises no other session. The clock knows the
    ten thousand sessions used last.
    """

    def __init__(self) -> None:
        self._last = 0
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._given: OrderedDict[str, int] = OrderedDict()

    def next(self, session_id: str) -> int:
        """Return the revision of the next event of a session."""
        self._last = max(_now(), self._last + 1)
        revision = min(max(self._last, self._seen.get(session_id, 0) + 1), MAX_REVISION)
        self.observe(session_id, revision)
        _raise_to(self._given, session_id, revision)
        return revision

    def observe(self, session_id: str, revision: int) -> None:
        """Remember a revision that was read or confirmed."""
        _raise_to(self._seen, session_id, revision)

    def observe_all(self, records: Iterable[Record | None]) -> None:
        """Remember the revisions of records that were read."""
        for record in records:
            if record is not None:
                self.observe(record.session.session_id, record.revision)

    def is_latest(self, session_id: str, revision: int) -> bool:
        """Return whether this clock has given no later revision for the session."""
        return self._given.get(session_id, 0) <= revision

    def is_behind(self, session_id: str) -> bool:
        """Return whether a revision seen of the session lies in the future of the wall clock."""
        return self._seen.get(session_id, 0) > _now()


class PendingWrites:
    """The queued writes of this client that no read has seen yet: the revision that a read must wait for.

    An entry leaves once its write was seen to be applied. No entry is dropped for room: while it is full, a write
    of another session must wait for its commit.
    """

    def __init__(self, max_sessions: int = MAX_PENDING_WRITES) -> None:
        self._revisions: dict[str, int] = {}
        self._max_sessions = max_sessions

    def has_room_for(self, session_id: str) -> bool:
        """Return whether a write of the session can be remembered."""
        return len(self._revisions) < self._max_sessions or session_id in self._revisions

    def revision_of(self, session_id: str) -> int:
        """Return the revision that a read must wait for; 0 when there is none."""
        return self._revisions.get(session_id, 0)

    def add(self, session_id: str, revision: int) -> None:
        """Remember a write that the broker has confirmed."""
        self._revisions[session_id] = max(revision, self.revision_of(session_id))

    def settle(self, session_id: str, revision: int) -> None:
        """Forget the session's writes up to this revision, which was seen to be applied."""
        if self.revision_of(session_id) <= revision:
            self._revisions.pop(session_id, None)


def _now() -> int:
    """Return the microseconds since the epoch."""
    return time.time_ns() // 1000


def _raise_to(memory: OrderedDict[str, int], session_id: str, revision: int) -> None:
    memory[session_id] = max(revision, memory.get(session_id, 0))
    memory.move_to_end(session_id)
    if len(memory) > REMEMBERED_REVISIONS:
        memory.popitem(last=False)
