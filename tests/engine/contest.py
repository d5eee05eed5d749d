"""One row of the table: players on engines with one kind of storage, until everything is stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import asyncpg

from tests.engine.ends import SLOW_ANSWERS, BrokerEnd, Ends, EngineEnd, Engines, WorkerEnd
from tests.engine.moves import Losses, OnAnswer, Players, Read, Stored, pass_on
from tests.support.stage.stage import Stage

TIMEOUT_MS: Final = 30_000
SESSIONS: Final = "SELECT session_id, encounter, state, completed_at FROM sessions WHERE session_id = ANY($1)"


@dataclass(frozen=True)
class Contest:
    """The engines with one storage, and the workers behind them."""

    storage: Literal["file", "session-store", "last-writer", "plugin"]
    engines: int = 1
    workers: int = 1
    durability: Literal["stored", "queued"] = "stored"
    ends: Literal["nobody", "workers", "engines", "broker"] = (
        "nobody"  # these are killed and replaced again and again
    )
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
        killed = "" if self.ends == "nobody" else f", {self.ends} killed"
        return f"{names[self.storage]}, {engines}{queued}{killed}"

    @property
    def promised(self) -> tuple[str, ...]:
        """The figures that are promised to be 0."""
        if self.storage == "file" or (self.durability == "queued" and self.engines > 1):
            return ()
        left_out = {"errors"} if self.ends in ("engines", "broker") else set()
        if self.durability == "queued":  # a move that is under way may follow the deletion
            left_out.add("revived")
        return tuple(each.name for each in fields(Losses) if each.name not in left_out)

    def is_kept(self, losses: Losses) -> bool:
        """Return whether every promised figure is 0."""
        return all(getattr(losses, name) == 0 for name in self.promised)


async def play_on_files(program: Path, folder: Path, sessions: int) -> Losses:
    """Return the losses of one engine with its own file storage."""
    variables = {"ENGINE_STORAGE": "file", "ENGINE_FOLDER": str(folder)}
    async with _engines(program, variables, 1) as urls, _http() as http:
        return await Players(http, urls, sessions).play(_over_http(http, urls[0]))


async def play_on_workers(contest: Contest, stage: Stage, program: Path, sessions: int) -> Losses:
    """Return the losses of engines on a stage without workers; the workers of the contest end with it."""
    await asyncio.gather(*(stage.start_replica() for _ in range(contest.workers)))
    variables = {
        "ENGINE_STORAGE": contest.storage,
        "ENGINE_OPTIONS": json.dumps(options_on(stage, contest.durability)),
        "ENGINE_FOLDER": str(contest.plugins),
    }
    async with _engines(program, variables, contest.engines) as engines, _http() as http:
        ends: dict[str, OnAnswer] = {
            "nobody": pass_on,
            "workers": Ends(WorkerEnd(stage)),
            "engines": Ends(EngineEnd(engines)),
            "broker": Ends(BrokerEnd(stage), SLOW_ANSWERS),
        }
        players = Players(http, engines, sessions, ends[contest.ends])
        return await players.play(_from_the_table(stage))


def options_on(stage: Stage, durability: str = "stored") -> dict[str, Any]:
    """Return the client's options on a stage."""
    return {
        "url": stage.amqp_url(),
        "prefix": stage.topology.prefix,
        "durability": durability,
        "timeoutMs": TIMEOUT_MS,
    }


@asynccontextmanager
async def _engines(program: Path, variables: dict[str, str], count: int) -> AsyncIterator[Engines]:
    engines = Engines(program, variables)
    try:
        await engines.start(count)
        yield engines
    finally:
        await engines.stop()


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
        """Return the stored sessions once all events are stored; workers settle their events at the end."""
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
