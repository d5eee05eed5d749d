"""Engines, workers and a broker that are killed and replaced while players move."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, overload

from tests.engine.process import EngineProcess
from tests.support.stage.stage import Stage

ANSWERS: Final = 25
"""The number of answered moves between two ends, while others are under way."""

SLOW_ANSWERS: Final = 4 * ANSWERS
"""The same for a program that takes seconds to start."""


class Engines(Sequence[str]):
    """The addresses of engines, each of which may be replaced by another."""

    def __init__(self, program: Path, variables: Mapping[str, str]) -> None:
        self._program = program
        self._variables = variables
        self._running: list[EngineProcess] = []

    async def start(self, count: int) -> None:
        """Start this many engines."""
        for _ in range(count):
            self._running.append(await EngineProcess.start(self._program, self._variables))

    async def replace(self, place: int) -> None:
        """Kill an engine, and return once another answers in its place."""
        await self._running[place].kill()
        self._running[place] = await EngineProcess.start(self._program, self._variables)

    async def stop(self) -> None:
        """End all engines by SIGTERM."""
        for engine in self._running:
            await engine.stop()

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Return the URL of an engine, or of several."""
        return (
            [engine.url for engine in self._running[place]]
            if isinstance(place, slice)
            else self._running[place].url
        )

    def __len__(self) -> int:
        """Return the number of engines."""
        return len(self._running)


class Ends:
    """Calls `end` each time that this many moves were answered; other calls do not wait for it."""

    def __init__(self, end: Callable[[], Awaitable[None]], every: int = ANSWERS) -> None:
        self._end = end
        self._every = every
        self._answers = 0
        self._is_ending = False

    async def __call__(self) -> None:
        """Count an answer."""
        self._answers += 1
        if self._answers % self._every or self._is_ending:
            return
        self._is_ending = True
        await self._end()
        self._is_ending = False


class WorkerEnd:
    """Kills the oldest worker and starts another."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def __call__(self) -> None:
        """Return once the other worker serves."""
        await self._stage.running[0].kill()
        await self._stage.start_replica()


class BrokerEnd:
    """Kills the broker's node and starts it again."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def __call__(self) -> None:
        """Return once the broker runs again."""
        await asyncio.to_thread(self._stage.rabbit.restart, "kill")


class EngineEnd:
    """Kills one engine after the other and starts another in its place."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._turn = 0

    async def __call__(self) -> None:
        """Return once the other engine answers."""
        await self._engines.replace(self._turn % len(self._engines))
        self._turn += 1
