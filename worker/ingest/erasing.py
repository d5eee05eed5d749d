"""Erases a player: first late writes are kept out, then the sessions are removed in chunks, by the order law.

The order makes it hold: once the marker is committed, every transaction that did not see it has ended, so the number
of sessions to remove only falls. A retry after a crash removes those that are left.

Each batch of removals is announced after its commit and before the next batch. A crash, or a lost connection, between
commit and announcement leaves one batch unannounced. A retry therefore first announces everything removed since the
player's last erasure marker, and only then writes a new marker.
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

CHUNK_SESSIONS: Final = 500
REMOVED: Final = (Outcome.DELETED, Outcome.ABSENT)  # absent: in the table, and not in the ledger


Announce = Callable[[Sequence[EventRow]], Awaitable[None]]
"""Tells the changes feed of deletes that are committed."""


class Erased(NamedTuple):
    """The result of an erasure.

    revision: writes up to it are refused since `erased_at`.
    sessions: how many sessions were removed.
    remaining: how many sessions up to the revision were there afterwards.
    later: how many sessions have a newer revision, and stay.
    """

    revision: int
    erased_at: datetime
    sessions: int
    remaining: int
    later: int


def receipt_of(player_id: str, erased: Erased, dead_letters: int, remaining_dead_letters: int) -> Receipt:
    """Return the receipt of an erasure that removed so many dead letters, and found so many left."""
    return Receipt.model_validate(
        {
            "playerDigest": sha256(player_id.encode()).hexdigest(),
            "revision": erased.revision,
            "erasedAt": erased.erased_at,
            "sessions": erased.sessions,
            "remainingSessions": erased.remaining,
            "laterSessions": erased.later,
            "deadLetters": dead_letters,
            "remainingDeadLetters": remaining_dead_letters,
        }
    )


class Eraser:
    """Erases players; raises StorageUnavailable, or an error of `announce`, and can be asked again then."""

    def __init__(self, erasures: Erasures, writer: EventWriter, announce: Announce | None = None) -> None:
        self._erasures = erasures
        self._writer = writer
        self._announce = announce

    async def erase(self, player_id: str, revision: int, *, again: bool = False) -> Erased:
        """Return once nothing of the player up to the revision is there, nor comes back, and that is announced.

        `again` says that an earlier attempt may have removed sessions without announcing it.
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
        for at in range(0, len(deletes), CHUNK_SESSIONS):
            await announce(deletes[at : at + CHUNK_SESSIONS])

    async def _remove_all(self, player_id: str, revision: int) -> int:
        """Remove chunk after chunk, and return how many sessions went; one that changed meanwhile is read again."""
        gone = 0
        before: list[Erasable] = []
        while (chunk := await self._erasures.sessions(player_id, revision)) not in ([], before):
            gone += await self._remove(chunk)
            before = chunk
        return gone

    async def _remove(self, chunk: Sequence[Erasable]) -> int:
        deletes = [EventRow(name, revision, LAST, expected, True) for name, revision, expected in chunk]
        (applied,) = await self._writer.apply([sorted(deletes)])
        gone = [delete for delete in deletes if applied[delete.session_id].outcome in REMOVED]
        if self._announce:
            await self._announce(gone)
        return len(gone)
