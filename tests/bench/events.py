"""The events for every contestant: writes of sessions with prose, of 2 kB by default."""

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final
from uuid import uuid4
from zlib import crc32

import orjson

from tests.bench.sessions import draw_sessions

USUAL: Final = 2_000  # bytes
PLAYERS: Final = 50

_revisions: Final = count(1_762_511_400_000_000)
_draw: Final = cache(draw_sessions)


@dataclass(frozen=True, slots=True)
class Event:
    """One write as it is published."""

    event_id: str
    session_id: str
    revision: int
    body: bytes
    signature: str | None = None


def make_events(number: int, sessions: int | None = None, size: int = USUAL) -> list[Event]:
    """Return writes of `size` bytes, each of a session of its own, or of `sessions` sessions in turn."""
    ids = [f"sess_{uuid4().hex}" for _ in range(sessions or number)]
    drawn = _draw(size - len(_make({}, ids[0]).body) + len("{}"))
    return [_make(drawn[at % len(drawn)], ids[at % len(ids)]) for at in range(number)]


def _make(content: dict[str, Any], session_id: str) -> Event:
    event_id = str(uuid4())
    player = f"player_{crc32(session_id.encode()) % PLAYERS}"  # a session's player does not change
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "engine/eu-1",
        "type": "session.write",
        "subject": session_id,
        "time": "2025-11-10T01:35:00.959Z",
        "data": {
            "revision": next(_revisions),
            "session": {"sessionId": session_id, "playerId": player, **content},
        },
    }
    return Event(event_id, session_id, event["data"]["revision"], orjson.dumps(event))  # type: ignore[index]
