"""Revisions: microseconds since the epoch, raised above everything seen (contract: Event)."""

import time
from collections import OrderedDict

from contracts.scalars import MAX_REVISION

REMEMBERED = 10_000


class HybridClock:
    """Gives each write a revision greater than any this client has given or read for the session.

    It follows the wall clock, and where that is behind (a clock set back, another engine ahead) it counts on.
    """

    def __init__(self) -> None:
        self._last = 0
        self._seen = RevisionMemory()

    def next(self, session_id: str) -> int:
        """Return the revision of the next event of a session."""
        now = time.time_ns() // 1000
        self._last = min(max(now, self._last + 1, self._seen.of(session_id) + 1), MAX_REVISION)
        return self._last

    def observe(self, session_id: str, revision: int) -> None:
        """Remember a revision that was read or told."""
        self._seen.raise_to(session_id, revision)


class RevisionMemory:
    """The greatest revision of each of the sessions last used, ten thousand of them."""

    def __init__(self) -> None:
        self._revisions: OrderedDict[str, int] = OrderedDict()

    def of(self, session_id: str) -> int:
        """Return what is remembered; 0 when nothing is."""
        return self._revisions.get(session_id, 0)

    def raise_to(self, session_id: str, revision: int) -> None:
        """Remember a revision, unless a greater one is."""
        self._revisions[session_id] = max(revision, self._revisions.get(session_id, 0))
        self._revisions.move_to_end(session_id)
        if len(self._revisions) > REMEMBERED:
            self._revisions.popitem(last=False)

    def forget(self, session_id: str) -> None:
        """Remember nothing of a session any more."""
        self._revisions.pop(session_id, None)
