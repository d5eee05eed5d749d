"""Plays sessions against a worker, so that its status page and `top` have something to show."""

import asyncio
import math
import time
from datetime import UTC, datetime
from itertools import count
from typing import Final
from uuid import uuid4

import orjson

from contracts.topology import DELETE_KEY, WRITE_KEY
from deploy.demo.engine import Engine, Json

ROUND_SECONDS: Final = 1.0
WAVE_SECONDS: Final = 90.0
EVENTS: Final = (20, 120)
"""The fewest and the most events of a round."""
SESSIONS: Final = 400
INVALID: Final = b'{"specversion":"1.0","id":'


async def play(engine: Engine, seconds: float) -> None:
    """Publish events and ask requests for so long, at a rate that rises and falls.

    Some events are late, repeated or invalid, and some delete a session, so that every outcome appears.
    """
    until = time.monotonic() + seconds
    for number in count():
        left = until - time.monotonic()
        if left <= 0:
            return
        await asyncio.gather(play_round(engine, number), asyncio.sleep(min(ROUND_SECONDS, left)))


async def play_round(engine: Engine, number: int) -> None:
    """Publish the events of one round, counted from 0, and ask its requests."""
    fewest, most = EVENTS
    wave = (1 - math.cos(2 * math.pi * number * ROUND_SECONDS / WAVE_SECONDS)) / 2
    events = round(fewest + wave * (most - fewest))
    await asyncio.gather(*(_move(engine, number * most + move) for move in range(events)))
    if number % 40 == 20:
        await engine.publish(INVALID, WRITE_KEY)
    await engine.call("session.query", filter={"difficulty": "hard"}, options={"limit": 20})
    await engine.call("session.stats")


async def _move(engine: Engine, move: int) -> None:
    session_id = f"sess_demo_{move % SESSIONS}"
    if move % 97 == 0:
        await engine.publish(_event(session_id, DELETE_KEY, _now(), {}), DELETE_KEY)
        return
    written = _event(session_id, WRITE_KEY, _now(), {"session": _session(session_id, move)})
    await engine.publish(written, WRITE_KEY)
    if move % 41 == 0:
        await engine.publish(written, WRITE_KEY)
    if move % 53 == 0:
        late = _event(session_id, WRITE_KEY, 1, {"session": _session(session_id, move)})
        await engine.publish(late, WRITE_KEY)
    if move % 4 == 0:
        await engine.call("session.read", sessionId=session_id)


def _now() -> int:
    """Return a revision as both clients choose it: microseconds since the epoch."""
    return time.time_ns() // 1000


def _event(session_id: str, kind: str, revision: int, data: Json) -> bytes:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "engine/demo",
        "type": kind,
        "subject": session_id,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {"revision": revision, **data},
    }
    return orjson.dumps(event)


def _session(session_id: str, move: int) -> Json:
    return {
        "sessionId": session_id,
        "playerId": f"player_{move % 60}",
        "encounter": {"title": "Ashes at Harrow Ford", "difficulty": ("easy", "medium", "hard")[move % 3]},
        "state": {"step": move},
        "startedAt": "2025-11-07T10:30:00.000Z",
    }
