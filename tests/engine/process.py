"""A running engine: started with a storage, called over HTTP, and ended by SIGTERM or SIGKILL."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.patience import LONGEST_WAIT


class EngineFailed(Exception):
    """The engine ended before it answered; the message is its output."""


class EngineProcess:
    """One engine."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._output = process.stdout
        self._errors = asyncio.create_task(process.stderr.read())
        self._port = 0

    @classmethod
    async def start(cls, program: Path, variables: Mapping[str, str], directory: Path | None = None) -> Self:
        """Return an engine that answers, started in this directory; raises EngineFailed where it ends instead."""
        process = await asyncio.create_subprocess_exec(
            "node", program, env={**os.environ, **variables}, cwd=directory, stdout=PIPE, stderr=PIPE
        )
        engine = cls(process)
        await engine._answers()
        return engine

    @property
    def url(self) -> str:
        """The URL of the engine."""
        return f"http://127.0.0.1:{self._port}"

    async def kill(self) -> None:
        """End the engine by SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End the engine by SIGTERM and return the exit status."""
        return await self._end(signal.SIGTERM)

    async def errors(self) -> str:
        """Return the engine's standard error, once it has ended."""
        return (await self._errors).decode(errors="replace")

    async def _answers(self) -> None:
        """Return once the engine answers: then it has printed its port."""
        async with asyncio.timeout(LONGEST_WAIT):
            line = await self._output.readline()
            if not line:
                await self._process.wait()
                raise EngineFailed(await self.errors())
        self._port = int(line)

    async def _end(self, number: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(LONGEST_WAIT):
            status = await self._process.wait()
            await self._errors
        return status
