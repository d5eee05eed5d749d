"""Answers over the broker: the worker beside a bare echo, FastStream's RPC, and PostgreSQL asked directly."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final

import asyncpg
import orjson

import sql
from contracts.topology import RPC_KEY, Topology
from deploy.local.instance import PROJECT
from tests.bench.caller import Answered, Ask, Caller, ask_all, open_caller
from tests.bench.events import make_events
from tests.bench.peers.roster import HERE, OURS, THEIRS
from tests.bench.stand import WORKER, Command, Stand

SESSIONS: Final = 5_000
CALLERS: Final = (1, 64)
JSON: Final = "application/json"
SAME_PAGE: Final = """
SELECT session_id, player_id, encounter::text, state::text, extra::text, started_at, completed_at, revision,
       created_at, updated_at
  FROM sessions ORDER BY started_at DESC, session_id LIMIT 100
"""
PAGE: Final = {"filter": {}, "options": {"limit": 100}}

Question = tuple[str, Ask]


async def fill(stand: Stand, number: int = SESSIONS) -> list[str]:
    """Store `number` sessions; returns their ids."""
    events = make_events(number)
    process = await asyncio.create_subprocess_exec(
        OURS / "python",
        HERE / "batches.py",
        env={**stand.variables, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    await process.communicate(b"\n".join(event.body for event in events))
    return [event.session_id for event in events]


async def answer(stand: Stand, number: int) -> dict[str, dict[int, Answered]]:
    """Return the measures of each question, by its name and the number of callers at a time."""
    ids = cycle(await fill(stand))
    answered: dict[str, dict[int, Answered]] = {}
    async with (
        open_caller(stand.rabbit.url) as caller,
        stand.running(*_programs()),
        stand.database() as database,
    ):
        for name, ask in (*_over_the_broker(caller, ids), *_directly(database, ids)):
            await until_answered(ask)
            callers = CALLERS if "asyncpg" not in name else (1,)
            answered[name] = {many: await ask_all(ask, number, many) for many in callers}
    return answered


def over_rpc(caller: Caller, method: str, params: Callable[[], object]) -> Ask:
    """Return a function that sends the worker a request; it raises RuntimeError for an error."""

    async def ask() -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params()}
        told = await caller.ask(RPC_KEY, orjson.dumps(body), JSON, Topology().sessions.name)
        if b'"error"' in told[:60]:
            raise RuntimeError(told.decode())

    return ask


def _over_the_broker(caller: Caller, ids: Iterator[str]) -> list[Question]:
    questions = [
        ("echo", lambda: caller.ask("bench.echo", b"x" * 100, JSON)),
        ("an echo on a quorum queue", lambda: caller.ask("bench.echo.quorum", b"x" * 100, JSON)),
        ("an echo of a page, on a quorum queue", lambda: caller.ask("bench.echo.page", b"x" * 100, JSON)),
        ("session.read", over_rpc(caller, "session.read", lambda: {"sessionId": next(ids)})),
        ("session.query, 100 records", over_rpc(caller, "session.query", lambda: PAGE)),
        ("session.count", over_rpc(caller, "session.count", lambda: {"filter": {"completed": True}})),
        ("session.stats", over_rpc(caller, "session.stats", dict)),
    ]
    if (THEIRS / "python").exists():

        async def ask() -> None:
            told = await caller.ask("bench.faststream", orjson.dumps({"session_id": next(ids)}), JSON)
            if b'"record"' not in told:
                raise RuntimeError(told.decode())

        questions.insert(4, ("FastStream's RPC, the same read", ask))
    return questions


def _directly(database: asyncpg.Connection, ids: Iterator[str]) -> list[Question]:
    return [
        ("asyncpg, the same read", lambda: database.fetch(sql.statement("read_session"), next(ids))),
        ("asyncpg, the same 100 rows", lambda: database.fetch(SAME_PAGE)),
    ]


def _programs() -> list[Command]:
    """Return the worker, the echo, and FastStream's RPC where it is installed."""
    theirs, ours = THEIRS / "python", OURS / "python"
    if not theirs.exists():
        return [WORKER, (ours, HERE / "echo.py")]
    return [WORKER, *((theirs, HERE / name) for name in ("echo.py", "faststream_rpc.py"))]


async def until_answered(ask: Ask) -> None:
    """Return once the answering program is ready, and has its connections."""
    while True:
        try:
            async with asyncio.timeout(1):
                await ask()
        except TimeoutError:
            continue
        for _ in range(50):
            await ask()
        return
