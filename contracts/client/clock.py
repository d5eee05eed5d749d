"""Revisions: microseconds since the epoch, raised above everything seen (contract: Event)."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from contracts.replies import Record
from contracts.scalars import MAX_REVISION

REMEMBERED: Final = 10_000
MOST_QUEUED: Final = 100_000


class HybridClock:
    """Gives each write a revision greater than any this client has given or read for the session.

    It follows the wall clock, and where that is behind (a clock set back, another engine ahead) it counts on.
    A session far ahead of its time pulls no other along. Of the sessions last used it remembers ten thousand.
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
        """Remember a revision that was read or told."""
        _raise_to(self._seen, session_id, revision)

    def observe_all(self, records: Iterable[Record | None]) -> None:
        """Remember the revisions of records that were read."""
        for record in records:
            if record is not None:
                self.observe(record.session.session_id, record.revision)

    def is_latest(self, session_id: str, revision: int) -> bool:
        """Return whether no later event of the session was given a revision here."""
        return self._given.get(session_id, 0) <= revision

    def is_behind(self, session_id: str) -> bool:
        """Return whether what was seen of the session has a revision that this clock has yet to reach."""
        return self._seen.get(session_id, 0) > _now()


def _now() -> int:
    """Return the microseconds since the epoch."""
    return time.time_ns() // 1000


def _raise_to(memory: OrderedDict[str, int], session_id: str, revision: int) -> None:
    memory[session_id] = max(revision, memory.get(session_id, 0))
    memory.move_to_end(session_id)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


class QueuedWrites:
    """What a client that does not wait for the commit still owes itself: the revisions it must see when it reads.

    An entry leaves once its write was seen to be applied. None is ever dropped for room: when it is full, a
    write of another session must wait for its commit.
    """

    def __init__(self, most: int = MOST_QUEUED) -> None:
        self._revisions: dict[str, int] = {}
        self._most = most

    def has_room_for(self, session_id: str) -> bool:
        """Return whether a write of the session can be remembered."""
        return len(self._revisions) < self._most or session_id in self._revisions

    def of(self, session_id: str) -> int:
        """Return the revision that a read must wait for; 0 when there is none."""
        return self._revisions.get(session_id, 0)

    def add(self, session_id: str, revision: int) -> None:
        """Remember a write that the broker has."""
        self._revisions[session_id] = max(revision, self.of(session_id))

    def settle(self, session_id: str, revision: int) -> None:
        """Forget what was queued of a session, if this revision or a newer one was seen to be applied."""
        if self.of(session_id) <= revision:
            self._revisions.pop(session_id, None)
