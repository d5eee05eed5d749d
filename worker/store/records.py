"""Rows as the contract's records; JSON of the database is copied into the answer without parsing it."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import orjson

from contracts.session import format_timestamp
from worker.store.rows import EventRow, StoredSession

Json = dict[str, object]


def record_of(row: asyncpg.Record) -> Json:
    """Return a row of `session_columns.sql` as a Record (contract: Request), ready for orjson.

    A row that the original storage plugin wrote may lack `created_at` and `updated_at`.
    """
    started, created = row["started_at"], row["created_at"]
    session = _session(
        row["session_id"],
        row["player_id"],
        row["encounter"],
        row["state"],
        row["extra"],
        started,
        row["completed_at"],
    )
    return {
        "session": session,
        "revision": row["revision"],
        "createdAt": format_timestamp(created or started),
        "updatedAt": format_timestamp(row["updated_at"] or created or started),
    }


def session_of(stored: StoredSession) -> Json:
    """Return a stored session as it travels (contract: Session)."""
    return _session(
        stored.session_id,
        stored.player_id,
        stored.encounter,
        stored.state,
        stored.extra,
        stored.started_at,
        stored.completed_at,
    )


def session_of_event(event: EventRow) -> Json:
    """Return the session that a write stores, as it travels; raises ValueError for a delete, which stores none."""
    return _session(
        event.session_id,
        event.player_id or "",
        event.encounter or b"{}",
        event.state or b"{}",
        event.extra,
        datetime.fromisoformat(event.started_at or ""),
        datetime.fromisoformat(event.completed_at) if event.completed_at else None,
    )


def _session(
    session_id: str,
    player_id: str,
    encounter: str | bytes,
    state: str | bytes,
    extra: str | bytes | None,
    started: datetime,
    completed: datetime | None,
) -> Json:
    session: Json = {
        "sessionId": session_id,
        "playerId": player_id,
        "encounter": orjson.Fragment(encounter),
        "state": orjson.Fragment(state),
        "startedAt": format_timestamp(started),
    }
    if extra is not None:
        session.update(orjson.loads(extra))
    if completed is not None:
        session["completedAt"] = format_timestamp(completed)
    return session


def records_in_order(rows: Sequence[asyncpg.Record], session_ids: Sequence[str]) -> list[Json | None]:
    """Return the record of each id, in the order of the ids; None where there is no such session."""
    by_id = {row["session_id"]: record_of(row) for row in rows}
    return [by_id.get(session_id) for session_id in session_ids]
