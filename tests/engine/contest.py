"""One row of the table: engines with one kind of storage, played on until everything is stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import asyncpg

from tests.engine.moves import Losses, Players, Read, Stored
from tests.engine.process import EngineProcess
from tests.support.stage.stage import Stage

TIMEOUT_MS: Final = 30_000
SESSIONS: Final = "SELECT session_id, encounter, state, completed_at FROM sessions WHERE session_id = ANY($1)"


@dataclass(frozen=True)
class Contest:
    """What is played on: so many engines with this storage, and workers behind them."""

    storage: Literal["file", "session-store", "last-writer", "plugin"]
    engines: int = 1
    workers: int = 1
    durability: Literal["stored", "queued"] = "stored"
    plugins: Path = Path("plugins")  # the engine's folder of plugins

    def __str__(self) -> str:
        """Return the row's name."""
        names = {
            "file": "its file storage",
            "session-store": "`SessionStore`",
            "last-writer": "last writer wins",
            "plugin": "`SessionStorePlugin`",
        }
        engines = "one engine" if self.engines == 1 else f"{self.engines} engines"
        queued = ", `queued`" if self.durability == "queued" else ""
        return f"{names[self.storage]}, {engines}{queued}"


async def play_on_files(program: Path, folder: Path, sessions: int) -> Losses:
    """Return the losses of one engine with the storage that it came with."""
    variables = {"ENGINE_STORAGE": "file", "ENGINE_FOLDER": str(folder)}
    async with _engines(program, variables, 1) as urls, _http() as http:
        return await Players(http, urls, sessions).play(_over_http(http, urls[0]))


async def play_on_workers(contest: Contest, stage: Stage, program: Path, sessions: int) -> Losses:
    """Return the losses of engines on a stage, where no worker runs before or afterwards."""
    await asyncio.gather(*(stage.start_replica() for _ in range(contest.workers)))
    variables = {
        "ENGINE_STORAGE": contest.storage,
        "ENGINE_OPTIONS": json.dumps(options_on(stage, contest.durability)),
        "ENGINE_FOLDER": str(contest.plugins),
    }
    async with _engines(program, variables, contest.engines) as urls, _http() as http:
        return await Players(http, urls, sessions).play(_from_the_table(stage))


def options_on(stage: Stage, durability: str = "stored") -> dict[str, Any]:
    """Return the client's options on a stage."""
    return {
        "url": stage.amqp_url(),
        "prefix": stage.topology.prefix,
        "durability": durability,
        "timeoutMs": TIMEOUT_MS,
    }


@asynccontextmanager
async def _engines(program: Path, variables: dict[str, str], count: int) -> AsyncIterator[list[str]]:
    started: list[EngineProcess] = []
    try:
        for _ in range(count):
            started.append(await EngineProcess.start(program, variables))
        yield [engine.url for engine in started]
    finally:
        for engine in started:
            await engine.stop()


def _http() -> aiohttp.ClientSession:
    """Return a client that lets all moves overlap."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def _over_http(http: aiohttp.ClientSession, url: str) -> Read:
    async def read(session_ids: Sequence[str]) -> Stored:
        sessions = {}
        for session_id in session_ids:
            async with http.get(f"{url}/sessions/{session_id}") as answer:
                sessions[session_id] = await answer.json()
        return sessions

    return read


def _from_the_table(stage: Stage) -> Read:
    async def read(session_ids: Sequence[str]) -> Stored:
        """Return what is stored once every event is: the workers settle what they hold when they end."""
        await stage.drained()
        for replica in stage.running:
            assert await replica.stop() == 0, replica.tail()
        connection = await asyncpg.connect(stage.postgres.url_of(stage.database))
        try:
            rows = await connection.fetch(SESSIONS, list(session_ids))
        finally:
            await connection.close()
        return {
            row[0]: {"encounter": json.loads(row[1]), "state": json.loads(row[2]), "completedAt": row[3]}
            for row in rows
        }

    return read
