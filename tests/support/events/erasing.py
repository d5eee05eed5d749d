"""Erases players for tests."""

from uuid import UUID

from worker.ingest.erasing import Erased, Eraser
from worker.store.storage import Storage


def player_of(event_id: UUID) -> str:
    """Return the player of the sessions that events with this id write."""
    return f"player of {event_id}"


async def erase(storage: Storage, player_id: str, revision: int) -> Erased:
    """Erase the player's sessions up to the revision."""
    return await Eraser(storage.erasures, storage.writer).erase(player_id, revision)
