"""Rows as records and sessions of the contract. The database writes a record, which goes into the answer as it is."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import orjson

from contracts.session import format_timestamp
from worker.store.rows import EventRow, StoredSession

Json = dict[str, object]
Record = orjson.Fragment
"""The JSON of a Record (contract: Request)."""


def record_of(row: asyncpg.Record) -> Record:
    """Return the Record (contract: Request) in a row of `record.sql`, ready for orjson."""
    return orjson.Fragment(row["record"])


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


def records_in_order(rows: Sequence[asyncpg.Record], session_ids: Sequence[str]) -> list[Record | None]:
    """Return the record of each id, in the order of the ids; None where there is no such session."""
    by_id = {row["session_id"]: record_of(row) for row in rows}
    return [by_id.get(session_id) for session_id in session_ids]
