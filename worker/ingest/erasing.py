"""Erases a player: first late writes are kept out, then the sessions go in small batches, by the order law.

The order is what makes it hold: once the erasure marker is committed, every transaction that did not see it has
ended, so what there is to remove only becomes less. Doing it again, after a crash in between, removes what was left.

What was removed is announced after its commit, a batch before the next. A crash, or a lost connection, in between
leaves one batch unannounced, whose player nobody knows any more. So who does it again announces what went since the
player was marked last, and does so before marking anew: until all of that is told, the mark is the old one.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from contracts.changes import LAST
from contracts.outcomes import Outcome
from contracts.replies import Receipt
from worker.store.erasures import Erasable, Erasures
from worker.store.rows import EventRow
from worker.store.writer import EventWriter

PORTION: Final = 500
REMOVED: Final = (Outcome.DELETED, Outcome.ABSENT)  # absent: in the table, and not in the ledger


Announce = Callable[[Sequence[EventRow]], Awaitable[None]]
"""Tells the changes feed of deletes that are committed."""


class Erased(NamedTuple):
    """What an erasure came to.

    Writes up to `revision` stay out since `erased_at`. So many sessions were removed, so many were there afterwards
    up to that revision, and so many were written after it, which stay.
    """

    revision: int
    erased_at: datetime
    sessions: int
    remaining: int
    later: int


def receipt_of(player_id: str, erased: Erased, letters: int, remaining_letters: int) -> Receipt:
    """Return the receipt of an erasure that removed so many dead letters, and found so many left."""
    return Receipt.model_validate(
        {
            "playerDigest": sha256(player_id.encode()).hexdigest(),
            "revision": erased.revision,
            "erasedAt": erased.erased_at,
            "sessions": erased.sessions,
            "remainingSessions": erased.remaining,
            "laterSessions": erased.later,
            "deadLetters": letters,
            "remainingDeadLetters": remaining_letters,
        }
    )


class Eraser:
    """Erases players; raises StorageUnavailable, or what `announce` does, and can be asked again then."""

    def __init__(self, erasures: Erasures, writer: EventWriter, announce: Announce | None = None) -> None:
        self._erasures = erasures
        self._writer = writer
        self._announce = announce

    async def erase(self, player_id: str, revision: int, *, again: bool = False) -> Erased:
        """Return once nothing of the player up to the revision is there, nor comes back, and that is announced.

        `again` says that an attempt before may have removed what it did not announce.
        """
        if again and self._announce:
            await self._announce_again(player_id, self._announce)
        marker = await self._erasures.mark(player_id, revision)
        sessions = await self._remove_all(player_id, marker.revision)
        left = await self._erasures.count(player_id, marker.revision)
        return Erased(marker.revision, marker.erased_at, sessions, left.up_to, left.later)

    async def _announce_again(self, player_id: str, announce: Announce) -> None:
        gone = await self._erasures.removed(player_id)
        deletes = [EventRow(name, number, LAST, None, True) for name, number in gone]
        for at in range(0, len(deletes), PORTION):
            await announce(deletes[at : at + PORTION])

    async def _remove_all(self, player_id: str, revision: int) -> int:
        """Remove portion after portion, and return how many went; what changed meanwhile is looked at again."""
        gone = 0
        before: list[Erasable] = []
        while (portion := await self._erasures.sessions(player_id, revision)) not in ([], before):
            gone += await self._remove(portion)
            before = portion
        return gone

    async def _remove(self, portion: Sequence[Erasable]) -> int:
        deletes = [EventRow(name, revision, LAST, expected, True) for name, revision, expected in portion]
        (applied,) = await self._writer.apply([sorted(deletes)])
        gone = [delete for delete in deletes if applied[delete.session_id].outcome in REMOVED]
        if self._announce:
            await self._announce(gone)
        return len(gone)
