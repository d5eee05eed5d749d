"""Sessions like those of engines, of any size, from a seed: prose, a log of dialogue, objectives, maps."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import orjson

SEED: Final = 20_251_107
KINDS: Final = 32
"""Sessions of each size, different in everything; more change nothing, because each is stored by itself."""

WORDS: Final = """
the of and a to in he was that it his her you with as had for she not but at on they is have him be said we all
so from there what were when your which them would been out if who my into could no their then me by this one over
like down back before through again now old up night door water light hand road house stone river harbour market
captain merchant cargo ship gate tower lantern key map coin silver bread rope winter rain wind fire smoke shadow
"""
FIRST: Final = "bar cal dor el fen gar hal ir jor kel lor mar nor or pel quin ros sal tor ul ver wor yar zan"
LAST: Final = "a en eth ing is lan mere or ow ric stead ton um wick"
COMMON: Final = WORDS.split()
RARE: Final = [
    first + mid + last for first in FIRST.split() for mid in ("", "an", "el", "i") for last in LAST.split()
]
SPEAKERS: Final = ("player", "Ilse", "Зоя", "Ōtsuka", "the harbour master", "Bram")
GROUND: Final = "....,,~~^^##"

Grow = Callable[[Random, dict[str, Any]], object]


def draw_sessions(size: int) -> list[dict[str, Any]]:
    """Return sessions without ids, each of `size` bytes as JSON, or of the lowest size of a session."""
    return [_draw(Random(f"{SEED} {size} {kind}"), size) for kind in range(KINDS)]


def _draw(chance: Random, size: int) -> dict[str, Any]:
    session = _begin(chance)
    missing = size - len(orjson.dumps(session))
    if missing < 0:
        session["encounter"].update(description="", objectives=[], npcs=[])
        missing = size - len(orjson.dumps(session))
    while missing > LONGEST:
        missing -= len(orjson.dumps(chance.choices(GROWING, WEIGHTS)[0](chance, session))) + 1
    if missing > 0:
        session["state"]["notes"] = _prose(chance, missing)[: max(missing - len(',"notes":""'), 0)]
    return session


def _begin(chance: Random) -> dict[str, Any]:
    day, hour, millisecond = chance.randrange(1, 28), chance.randrange(24), chance.randrange(999)
    session: dict[str, Any] = {
        "encounter": {
            "id": f"enc_{chance.randrange(10**6):06}",
            "title": _prose(chance, 24).title(),
            "difficulty": chance.choice(("easy", "medium", "hard")),
            "estimatedDuration": chance.randrange(10, 120),
            "description": _prose(chance, 160),
            "objectives": [],
            "npcs": [],
            "rewards": [{"type": "currency", "amount": chance.randrange(50, 900)}],
        },
        "state": {"currentObjectiveIndex": 0, "objectivesCompleted": [], "log": [], "maps": []},
        "startedAt": f"2025-11-{day:02}T{hour:02}:30:00.{millisecond:03}Z",
        "difficultyAdjustment": {"previous": 0.5, "next": chance.random(), "reason": "streak"},
    }
    if chance.random() < 0.5:
        session["completedAt"] = None
    for _ in range(2):
        _add_objective(chance, session)
    return session


def _add_objective(chance: Random, session: dict[str, Any]) -> object:
    objectives = session["encounter"]["objectives"]
    objective = {
        "id": f"obj_{len(objectives) + 1}",
        "description": _prose(chance, 60),
        "type": chance.choice(("reach", "interact", "collect", "defeat")),
        "target": chance.choice(RARE),
        "quantity": chance.randrange(1, 9),
        "completed": chance.random() < 0.4,
    }
    objectives.append(objective)
    return objective


def _add_npc(chance: Random, session: dict[str, Any]) -> object:
    dialogue = [{"trigger": trigger, "text": f"“{_prose(chance, 90)}”"} for trigger in ("initial", "done")]
    npc = {"id": f"npc_{chance.randrange(999)}", "name": chance.choice(SPEAKERS), "dialogue": dialogue}
    session["encounter"]["npcs"].append(npc)
    return npc


def _add_log(chance: Random, session: dict[str, Any]) -> object:
    said = {
        "turn": len(session["state"]["log"]),
        "who": chance.choice(SPEAKERS),
        "said": f'{_prose(chance, chance.randrange(60, 400))}\n"{_prose(chance, 30)}"',
        "mood": round(chance.uniform(-1, 1), 3),
    }
    session["state"]["log"].append(said)
    return said


def _add_map(chance: Random, session: dict[str, Any]) -> object:
    rows = ["".join(chance.choices(GROUND, k=24)) for _ in range(8)]
    places = [
        {"name": chance.choice(RARE), "x": chance.randrange(24), "y": round(chance.random() * 8, 2)}
        for _ in range(3)
    ]
    drawn = {
        "region": chance.choice(RARE),
        "rows": rows,
        "places": places,
        "explored": round(chance.random(), 4),
    }
    session["state"]["maps"].append(drawn)
    return drawn


GROWING: Final[tuple[Grow, ...]] = (_add_log, _add_objective, _add_npc, _add_map)
WEIGHTS: Final = (6, 2, 1, 1)
LONGEST: Final = 700
"""Bytes that no addition to a session exceeds; the last ones are notes."""


def _prose(chance: Random, length: int) -> str:
    """Return sentences of about `length` characters, with a rare word in seven."""
    return " ".join(_sentences(chance, length))[:length].rstrip()


def _sentences(chance: Random, length: int) -> Iterator[str]:
    while length > 0:
        words = [
            chance.choice(RARE) if chance.random() < 0.15 else COMMON[int(len(COMMON) * chance.random() ** 2)]
            for _ in range(chance.randrange(5, 16))
        ]
        sentence = f"{' '.join(words).capitalize()}."
        length -= len(sentence) + 1
        yield sentence
