"""Two workers with restricted logins, one for engines and one for callers, and a client of each."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

from contracts.access import CALLER, ENGINE, EVENTS_VHOST, RPC_VHOST, WORKER
from tests.escapes.walls import TOPOLOGY, Walls
from tests.support.broker.caller import Caller
from tests.support.programs.replica import Replica


@dataclass(frozen=True, slots=True)
class Conversation:
    """An engine and a caller, each with the worker of its virtual host, and the engine worker's secrets."""

    walls: Walls
    directory: Path
    events: Replica
    requests: Replica
    engine: Caller
    caller: Caller
    database: asyncpg.Connection = field(repr=False)

    async def page(self, path: str, replica: Replica | None = None) -> str:
        """Return the answer of a worker's HTTP server at a path."""
        line = await (replica or self.events).logged("http.listening")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{line['port']}{path}") as answer,
        ):
            return await answer.text()


@asynccontextmanager
async def conversation(walls: Walls, directory: Path) -> AsyncIterator[Conversation]:
    """Yield workers that have answered; their restricted logins are in files."""
    variables = {vhost: keep_secrets(walls, directory / vhost, vhost) for vhost in (EVENTS_VHOST, RPC_VHOST)}
    events, requests = [await Replica.start(each) for each in variables.values()]
    try:
        for replica in (events, requests):
            await replica.logged("broker.connected")
        engine = await Caller.connect(walls.amqp_url(ENGINE), TOPOLOGY)
        caller = await Caller.connect(walls.amqp_url(CALLER, RPC_VHOST), TOPOLOGY)
        database = await asyncpg.connect(walls.postgres.url_of(walls.database))
        yield Conversation(walls, directory / EVENTS_VHOST, events, requests, engine, caller, database)
        for connection in (engine.connection, caller.connection, database):
            await connection.close()
    finally:
        await events.stop()
        await requests.stop()


def keep_secrets(walls: Walls, directory: Path, vhost: str) -> dict[str, str]:
    """Return the variables of a worker whose URLs are in files of this directory."""
    directory.mkdir(mode=0o700)
    for name, url in {
        "DATABASE_URL": walls.database_url(),
        "AMQP_URL": walls.amqp_url(WORKER, vhost),
    }.items():
        file = os.open(directory / name, os.O_WRONLY | os.O_CREAT, 0o400)
        os.write(file, url.encode())
        os.close(file)
    return {"SESSION_STORE_SECRETS_DIR": str(directory)}
