"""Rows as the contract's records; JSON that PostgreSQL wrote goes into the answer as it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from contracts.session import format_timestamp

Json = dict[str, object]


def record_of(row: asyncpg.Record | tuple[Any, ...]) -> Json:
    """Return a row of `session_columns.sql` as a Record (contract: Request), ready for orjson.

    A row that was there before this program may lack the times of its own making and change.
    """
    *content, revision, created, updated = row
    started = content[5]
    return {
        "session": session_of(*content),
        "revision": revision,
        "createdAt": format_timestamp(created or started),
        "updatedAt": format_timestamp(updated or created or started),
    }


def session_of(
    session_id: str,
    player_id: str,
    encounter: str,
    state: str,
    extra: str | None,
    started: datetime,
    completed: datetime | None,
) -> Json:
    """Return a session as it travels, from its columns."""
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
    """Return the record of each id in the order asked; None where there is no such session."""
    by_id = {row["session_id"]: record_of(row) for row in rows}
    return [by_id.get(session_id) for session_id in session_ids]
