"""Erases a player: keeps late writes out, then deletes the player's sessions in small batches by the order law.

The order makes it hold: once the marker is committed, every transaction that did not see it has ended, so the number
of sessions to delete only falls. A second run, after a crash, deletes the sessions that the first one left.

Each batch is announced after its commit and before the next batch. A crash between commit and announcement leaves one
batch unannounced. A retry therefore first announces every session removed since the player was last marked, and only
then writes a new marker.
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
"""Announces deletes that are committed on the changes feed."""


class Erased(NamedTuple):
    """The result of an erasure: writes up to `revision` are kept out since `erased_at`.

    `sessions` is the number of sessions removed, `remaining` the number left up to the revision, and `later` the
    number of those written after it, which stay.
    """

    revision: int
    erased_at: datetime
    sessions: int
    remaining: int
    later: int


def receipt_of(player_id: str, erased: Erased, dead_letters: int, remaining_dead_letters: int) -> Receipt:
    """Return the receipt of an erasure, with the numbers of dead letters removed and left."""
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
    """Erases players; after StorageUnavailable, or an error of `announce`, an erasure can be repeated."""

    def __init__(self, erasures: Erasures, writer: EventWriter, announce: Announce | None = None) -> None:
        self._erasures = erasures
        self._writer = writer
        self._announce = announce

    async def erase(self, player_id: str, revision: int, *, again: bool = False) -> Erased:
        """Return once the player's sessions up to the revision are removed, kept out, and announced as removed.

        `again` says that an earlier attempt may have removed sessions without announcing them.
        """
        if again and self._announce:
            await self._announce_again(player_id, self._announce)
        marker = await self._erasures.mark(player_id, revision)
        sessions = await self._remove_all(player_id, marker.revision)
        counts = await self._erasures.count(player_id, marker.revision)
        return Erased(marker.revision, marker.erased_at, sessions, counts.up_to, counts.later)

    async def _announce_again(self, player_id: str, announce: Announce) -> None:
        removed = await self._erasures.removed(player_id)
        deletes = [EventRow(name, revision, LAST, None, True) for name, revision in removed]
        for start in range(0, len(deletes), CHUNK_SESSIONS):
            await announce(deletes[start : start + CHUNK_SESSIONS])

    async def _remove_all(self, player_id: str, revision: int) -> int:
        """Remove the sessions in chunks, and return how many; a session that changed meanwhile is read again."""
        removed = 0
        before: list[Erasable] = []
        while (chunk := await self._erasures.sessions(player_id, revision)) not in ([], before):
            removed += await self._remove(chunk)
            before = chunk
        return removed

    async def _remove(self, chunk: Sequence[Erasable]) -> int:
        deletes = [EventRow(name, revision, LAST, expected, True) for name, revision, expected in chunk]
        (applied,) = await self._writer.apply([sorted(deletes)])
        removed = [delete for delete in deletes if applied[delete.session_id].outcome in REMOVED]
        if self._announce:
            await self._announce(removed)
        return len(removed)
