"""Makes files as the engine's own file storage does."""

import json
from pathlib import Path

from deploy.local.instance import PROJECT

SAMPLES = PROJECT / "samples/file-storage/sessions"


def session_of(number: int, **changed: object) -> dict[str, object]:
    """Return a session, its times by its number; a field that is changed to None is absent."""
    session = {
        "sessionId": f"sess_{number:06}",
        "playerId": f"player_{number % 7}",
        "encounter": {"id": f"enc_{number}", "difficulty": "hard", "rewards": [1.5]},
        "state": {"currentObjectiveIndex": number},
        "startedAt": "2025-11-07T10:30:00.000Z",
        "completedAt": f"2025-11-07T11:00:00.{number % 1000:03}Z",
        **changed,
    }
    return {name: value for name, value in session.items() if value is not None}


def write_session(folder: Path, session: dict[str, object]) -> Path:
    """Write a session's file and return its path."""
    path = folder / f"{session['sessionId']}.json"
    path.write_text(json.dumps(session, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


def write_sessions(folder: Path, count: int) -> Path:
    """Fill a new folder with `count` sessions and return it."""
    folder.mkdir()
    for number in range(count):
        write_session(folder, session_of(number))
    return folder
