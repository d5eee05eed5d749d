"""Events a second into the database: the worker, its alternatives, and the limits of each side."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Final

from tests.bench.events import Event
from tests.bench.measure import cpu_seconds
from tests.bench.peers.roster import Contestant
from tests.bench.stand import Stand, end
from tests.support.programs.memory import read_kilobytes

POLL_SECONDS: Final = 0.02
LONGEST_SECONDS: Final = 180.0
COUNT: Final = "SELECT total_sessions FROM get_session_stats()"  # fast for a table of any size
IS_THERE: Final = "SELECT EXISTS (SELECT FROM sessions WHERE session_id = $1 AND revision = $2)"


@dataclass(frozen=True, slots=True)
class Stored:
    """The figures of one turn: events a second, µs of processor time an event, and peak memory in MB."""

    rate: float
    cpu: float
    rabbitmq: float | None = None
    postgres: float | None = None
    memory: float | None = None

    def figures(self) -> dict[str, float | None]:
        """Return the figures by name."""
        return asdict(self)


async def store(stand: Stand, contestant: Contestant, events: Sequence[Event], replicas: int = 1) -> Stored:
    """Return the figures of a contestant with events that are all in the queue before it begins.

    Raises RuntimeError if it ends early, TimeoutError if it does not store every session in three minutes.
    """
    if contestant.queue:
        await stand.publish(events, contestant.queue)
    processes = [await _start(stand, contestant, len(events)) for _ in range(replicas)]
    try:
        feeding = asyncio.create_task(_feed(processes[0], [] if contestant.queue else events))
        if contestant.reports:
            return await _read_report(processes[0])
        async with asyncio.timeout(LONGEST_SECONDS):
            stored = await _watch(stand, processes, events)
        await feeding
        return stored
    finally:
        for process in processes:
            await end(process)


async def _start(stand: Stand, contestant: Contestant, number: int) -> Process:
    command = contestant.command(stand.rabbit.url, number)
    variables = contestant.environment(stand.variables)
    return await asyncio.create_subprocess_exec(
        *command, env=variables, cwd=contestant.directory, stdin=PIPE, stdout=PIPE
    )


async def _feed(process: Process, events: Sequence[Event]) -> None:
    assert process.stdin is not None
    for event in events:
        process.stdin.write(event.body + b"\n")
        await process.stdin.drain()
    process.stdin.close()


async def _read_report(process: Process) -> Stored:
    assert process.stdout is not None
    async with asyncio.timeout(LONGEST_SECONDS):
        told = json.loads(await process.stdout.read())
    return Stored(told["events"] / told["seconds"], told["cpu"] / told["events"] * 1e6)


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    rows: int
    own: float
    servers: dict[str, float]


async def _watch(stand: Stand, processes: Sequence[Process], events: Sequence[Event]) -> Stored:
    """Measure from the first visible rows to the row of the last event."""
    sessions = len({event.session_id for event in events})
    first: _Moment | None = None
    async with stand.database() as database:
        before = await database.fetchval(COUNT)
        while not await database.fetchval(IS_THERE, events[-1].session_id, events[-1].revision):
            if first is None and (rows := await database.fetchval(COUNT) - before):
                first = _look(stand, processes, rows)
            for process in processes:
                if process.returncode is not None:
                    raise RuntimeError(f"a contestant ended with {process.returncode}")
            await asyncio.sleep(POLL_SECONDS)
        last = _look(stand, processes, len(events))
        while await database.fetchval(COUNT) - before < sessions:
            await asyncio.sleep(POLL_SECONDS)
    return _between(first or last, last, processes)


def _look(stand: Stand, processes: Sequence[Process], rows: int) -> _Moment:
    return _Moment(monotonic(), rows, cpu_seconds(process.pid for process in processes), stand.cpu())


def _between(first: _Moment, last: _Moment, processes: Sequence[Process]) -> Stored:
    events = max(last.rows - first.rows, 1)
    servers = {name: (last.servers[name] - first.servers[name]) / events * 1e6 for name in last.servers}
    return Stored(
        rate=events / max(last.at - first.at, POLL_SECONDS),
        cpu=(last.own - first.own) / events * 1e6,
        rabbitmq=servers["rabbitmq"],
        postgres=servers["postgres"],
        memory=max(read_kilobytes(process.pid, "VmHWM") for process in processes) / 1000,
    )
