"""The event of a session in a file: its revision, its id and its last change follow from the session alone.

The revision is the newest time in the session, in microseconds since the epoch, as the clients count revisions: an
engine's later write is newer. The id is a hash of the content that is smaller than any random UUID, so the engine's
event wins at an equal revision too. The same session gives the same event again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID

import orjson

from contracts.limits import MAX_REVISION
from contracts.scalars import parse_timestamp
from contracts.session import Session

TIMES: Final = ("lastActivity", "lastActivityAt", "updatedAt")
"""Fields beside `startedAt` and `completedAt` that hold the time of a change, where a file has them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_VERSION_8: Final = 8 << 76  # "custom" (RFC 9562)
_VARIANT: Final = 2 << 62


def revision_of(session: Session, now: datetime) -> int:
    """Return the session's newest time as a revision.

    A time after `now` does not count, because it would keep the engine's writes out until then; 1 where none counts.
    """
    newest = max((moment for moment in _times_of(session) if moment <= now), default=_EPOCH)
    return min(max((newest - _EPOCH) // _MICROSECOND, 1), MAX_REVISION)


def updated_at_of(session: Session) -> datetime:
    """Return the time of the session's last change, as the engine's file storage sorts by it.

    That is its completion, or its start where it has none; no other field and no clock has an effect.
    """
    return session.completed_at or session.started_at


def event_id_of(session: Session) -> UUID:
    """Return the id of the event that writes exactly this, in any order of keys."""
    content = (
        session.session_id,
        session.player_id,
        session.encounter,
        session.state,
        session.started_at,
        session.completed_at,
        session.model_extra,
    )
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    hashed = int.from_bytes(blake2b(text, digest_size=10, person=b"session-store").digest())
    return UUID(int=((hashed >> 62) & 0xFFF) << 64 | hashed & ((1 << 62) - 1) | _VERSION_8 | _VARIANT)


def _times_of(session: Session) -> Iterator[datetime]:
    yield session.started_at
    if session.completed_at:
        yield session.completed_at
    extra = session.model_extra or {}
    for name in TIMES:
        value = extra.get(name)
        if isinstance(value, str):
            try:
                yield parse_timestamp(value)
            except ValueError:  # a plugin's field of that name that holds no time
                continue
