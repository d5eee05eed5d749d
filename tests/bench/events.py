"""The events that every contestant is given: 1.9 kB, real-shaped, drawn from the samples."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import uuid4
from zlib import crc32

import orjson

from deploy.local.instance import PROJECT

SAMPLES: Final = PROJECT / "samples" / "events.ndjson"
USUAL: Final = range(1_800, 2_000)  # bytes
PLAYERS: Final = 50

_revisions: Final = count(1_762_511_400_000_000)


@dataclass(frozen=True, slots=True)
class Event:
    """One write as it is published."""

    event_id: str
    session_id: str
    revision: int
    body: bytes
    signature: str | None = None


def make_events(number: int, sessions: int | None = None, size: int | None = None) -> list[Event]:
    """Return writes, each of a session of its own, or in turn of so many `sessions`; padded to `size` bytes."""
    ids = [f"sess_{uuid4().hex}" for _ in range(sessions or number)]
    shapes = _shapes()
    return [_make(next(shapes), ids[at % len(ids)], size) for at in range(number)]


def _shapes() -> Iterator[dict[str, Any]]:
    lines = SAMPLES.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if len(line.encode()) in USUAL]
    writes = [
        event for event in events if event["type"] == "session.write" and event["data"]["revision"] > 2**40
    ]
    while True:
        yield from writes


def _make(shape: dict[str, Any], session_id: str, size: int | None) -> Event:
    event_id = str(uuid4())
    player = f"player_{crc32(session_id.encode()) % PLAYERS}"  # a session's player does not change
    session = {**shape["data"]["session"], "sessionId": session_id, "playerId": player}
    if size is not None and size < USUAL.start:
        session["encounter"], session["state"] = {"difficulty": "easy"}, {}
    event = {**shape, "id": event_id, "subject": session_id}
    event["data"] = {"revision": next(_revisions), "session": session}
    missing = (size or 0) - len(orjson.dumps(event))
    if missing > 0:
        session["state"] = {**session["state"], "pad": "x" * missing}
    return Event(event_id, session_id, event["data"]["revision"], orjson.dumps(event))
