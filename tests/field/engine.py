"""An engine for a place with the program and this checkout: `AMQP_URL` has its login.

    python -m tests.field.engine replay       every sample, and each stored session read back
    python -m tests.field.engine load FILE    writes until FILE exists, then reads everything back

Each command prints a JSON object, and exits with 1 where something is not as promised.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import orjson

from contracts.client import SessionStore
from contracts.topology import Topology
from deploy.demo.engine import Engine, Json
from deploy.demo.verdict import SAMPLES, Expected
from tests.field.load import Load

AT_ONCE: Final = 20
LOOK_SECONDS: Final = 0.02
TIMEOUT_SECONDS: Final = 240.0


async def replay(url: str) -> Json:
    """Publish all samples, and compare each stored session and each refused event with the expected ones."""
    expected = Expected.load()
    lines = (SAMPLES / "events.ndjson").read_bytes().splitlines()
    async with Engine(url, Topology()) as engine:
        places = asyncio.Semaphore(AT_ONCE)

        async def publish(line: bytes) -> Json:
            async with places:
                return await engine.publish(line, orjson.loads(line)["type"])

        answers = await asyncio.gather(*map(publish, lines))
        wrong = [
            name for name, wanted in expected.sessions.items() if not await _is_stored(engine, name, wanted)
        ]
        wrong += [name for name in expected.deleted if await _record(engine, name) is not None]
    outcomes = Counter(str(answer["outcome"]) for answer in answers)
    return {
        "events": len(lines),
        "sessions": len(expected.sessions),
        "outcomes": dict(outcomes),
        "wrong": wrong,
    }


async def _record(engine: Engine, session_id: str) -> object:
    return (await engine.call("session.read", sessionId=session_id))["record"]


async def _is_stored(engine: Engine, session_id: str, wanted: Json) -> bool:
    record = await _record(engine, session_id)
    return isinstance(record, dict) and all(record[name] == wanted[name] for name in ("session", "revision"))


async def load(url: str, end: Path) -> Json:
    """Write sessions until the file exists, and read every last state back."""
    async with SessionStore(url, timeout=TIMEOUT_SECONDS) as store:
        async with Load(store, AT_ONCE) as writing:
            print("started", flush=True)
            while not end.exists():  # noqa: ASYNC240 - a look, of no time
                await asyncio.sleep(LOOK_SECONDS)
        wrong = await writing.lost()
    return {
        "written": writing.written,
        "sessions": writing.sessions,
        "failed": writing.failures,
        "wrong": wrong,
    }


def main(words: list[str]) -> int:
    """Return 1 where something is missing, wrong or refused."""
    url = os.environ["AMQP_URL"]
    found = asyncio.run(replay(url) if words[0] == "replay" else load(url, Path(words[1])))
    print(json.dumps(found))
    return 1 if found["wrong"] or found.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
