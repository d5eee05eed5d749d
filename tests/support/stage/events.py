"""Events as an engine publishes them: valid ones, and ones that break one rule each."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from contracts.session import format_timestamp
from contracts.topology import DELETE_KEY, WRITE_KEY
from tests.support.stage.history import Key, Sent

Document = dict[str, Any]

_EPOCH: Final = datetime(2025, 11, 7, 10, 30, tzinfo=UTC)
_WORDS: Final = ("salt 🧂", "Ōtsuka", "old mill", 'said "no"\n', "north gate", "keep the change…")


def make_event(
    session_id: str, key: Key, draw: random.Random, *, is_delete: bool = False, expected: int | None = None
) -> Sent:
    """Return a valid event; the session of a write is drawn at random."""
    kind = DELETE_KEY if is_delete else WRITE_KEY
    content: Document = {"revision": key.revision}
    if expected is not None:
        content["expectedRevision"] = expected
    if not is_delete:
        content["session"] = _session(session_id, draw)
    document: Document = {
        "specversion": "1.0",
        "id": str(key.event_id),
        "source": "engine/faults",
        "type": kind,
        "subject": session_id,
        "time": "2025-11-07T10:30:00.123Z",
        "data": content,
    }
    return Sent(
        number=str(key.event_id),
        session_id=session_id,
        body=orjson.dumps(document),
        routing_key=kind,
        key=key,
        is_delete=is_delete,
        expected=expected,
        content=b"" if is_delete else content_of(content["session"]),
    )


def spoil(event: Sent, draw: random.Random) -> Sent:
    """Return the event with one rule broken, and with the dead-letter code for it."""
    code = draw.choice(tuple(_SPOILERS))
    body = _SPOILERS[code](event.body)
    return replace(event, body=body, key=None, code=code, content=b"", expected=None)


def content_of(session: Document) -> bytes:
    """Return the content that a session's row must have, in the form of `canonical`."""
    completed = session.get("completedAt")
    columns = ("sessionId", "playerId", "encounter", "state", "startedAt")
    extra = {name: value for name, value in session.items() if name not in columns}
    if completed is not None:
        del extra["completedAt"]
    return canonical(
        session["playerId"],
        session["encounter"],
        session["state"],
        extra or None,
        datetime.fromisoformat(session["startedAt"]),
        datetime.fromisoformat(completed) if completed else None,
    )


def canonical(
    player_id: str, encounter: Any, state: Any, extra: Any, started: datetime, completed: Any
) -> bytes:
    """Return a session's fields as bytes, which are equal where every field is equal."""
    fields = (player_id, encounter, state, extra, started.astimezone(UTC))
    end = completed.astimezone(UTC) if completed else None
    return orjson.dumps((*fields, end), option=orjson.OPT_SORT_KEYS)


def _session(session_id: str, draw: random.Random) -> Document:
    started = _EPOCH + timedelta(milliseconds=draw.randrange(10**10))
    session: Document = {
        "sessionId": session_id,
        "playerId": f"player_{draw.randrange(50)}",
        "encounter": {
            "id": f"enc_{draw.randrange(100)}",
            "title": draw.choice(_WORDS),
            "difficulty": draw.choice(("easy", "medium", "hard")),
            "objectives": [{"id": n, "done": draw.random() < 0.5} for n in range(draw.randrange(6))],
        },
        "state": {"at": draw.randrange(2**40), "share": draw.random(), "note": draw.choice(_WORDS) * 5},
        "startedAt": format_timestamp(started),
    }
    match draw.randrange(4):
        case 0:
            session["completedAt"] = format_timestamp(started + timedelta(seconds=draw.randrange(9999)))
        case 1:
            session["completedAt"] = None
        case 2:
            session["plugin"] = {"tags": [draw.choice(_WORDS)], "score": draw.uniform(-1, 1)}
    return session


def _changed(body: bytes, *, field: str, value: object) -> bytes:
    document = orjson.loads(body)
    target = document["data"] if field == "revision" else document
    target[field] = value
    return orjson.dumps(document)


def _with_content(body: bytes, *, content: bytes) -> bytes:
    """Add a field to the event's content, which is checked after everything else."""
    return body.replace(b'"data":{', b'"data":{"more":' + content + b",", 1)


_SPOILERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "bad_json": lambda body: body[:-2],
    "not_object": lambda body: b"[" + body + b"]",
    "bad_schema": partial(_changed, field="specversion", value="2.0"),
    "bad_id": partial(_changed, field="id", value="17"),
    "bad_revision": partial(_changed, field="revision", value=0),
    "bad_time": partial(_changed, field="time", value="2025-11-07T10:30:00"),
    "subject_mismatch": partial(_changed, field="subject", value="sess_other"),
    "bad_number": partial(_with_content, content=b"123456789012345678901"),
    "nul_character": partial(_with_content, content=rb'"\u0000"'),
    "too_deep": partial(_with_content, content=b"[" * 70 + b"]" * 70),
}
