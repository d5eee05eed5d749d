"""The statement that every peer stores with: a prepared, idempotent upsert of one session."""

from datetime import datetime
from typing import Any

import orjson

UPSERT = """
INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, revision, extra)
VALUES ($1, $2, $3::text::jsonb, $4::text::jsonb, $5, $6, $7, $8::text::jsonb)
ON CONFLICT (session_id) DO UPDATE
   SET player_id = excluded.player_id, encounter = excluded.encounter, state = excluded.state,
       started_at = excluded.started_at, completed_at = excluded.completed_at, revision = excluded.revision,
       extra = excluded.extra, updated_at = now()
 WHERE sessions.revision < excluded.revision
"""
COLUMNS = ("sessionId", "playerId", "encounter", "state", "startedAt", "completedAt")


def values_of(event: dict[str, Any]) -> tuple[object, ...]:
    """Return the statement's parameters for an event."""
    session = event["data"]["session"]
    extra = {name: value for name, value in session.items() if name not in COLUMNS}
    return (
        session["sessionId"],
        session["playerId"],
        orjson.dumps(session["encounter"]).decode(),
        orjson.dumps(session["state"]).decode(),
        _moment(session["startedAt"]),
        _moment(session.get("completedAt")),
        event["data"]["revision"],
        orjson.dumps(extra).decode() if extra else None,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
