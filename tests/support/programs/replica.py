"""A real worker process: started, watched by its log, and ended in every way a process can end.

The program is executed, or forked from a process that has imported its modules (`FORKING`).
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any, Final, Self

import orjson

from deploy.local.instance import PROJECT
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.forked import FORKING, ForkedProcess

PROGRAM: Final = PROJECT / ".venv" / "bin" / "session-store"
_LINE_LIMIT: Final = 2**20

LogLine = dict[str, Any]


class Replica:
    """One `session-store run`; `log` has its log lines so far, `said` its other lines on stderr."""

    def __init__(self, process: Process | ForkedProcess) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self._silent = False
        self._reading = asyncio.create_task(self._read())
        self.log: list[LogLine] = []
        self.said: list[str] = []

    @classmethod
    async def start(cls, variables: Mapping[str, str]) -> Self:
        """Return a worker that has just been started with these variables; it inherits PATH alone."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "SESSION_STORE_LOG_FORMAT": "json",
            "SESSION_STORE_HTTP_PORT": "0",
        }
        environment.update(variables)
        if server := FORKING.of_worker(environment):
            return cls(await server.fork(["run"], environment, _LINE_LIMIT))
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "run",
            env=environment,
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=PIPE,
            start_new_session=True,  # as under a service manager; Ctrl-C is for the test alone
            limit=_LINE_LIMIT,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def mark(self) -> int:
        """Return the end of the log, from which `logged` can search."""
        return len(self.log)

    async def logged(self, event: str, since: int = 0, timeout: float = LONGEST_WAIT) -> LogLine:
        """Wait for the first line with this event after the mark, and return it; fails if none comes."""

        def find() -> LogLine | None:
            return next((line for line in self.log[since:] if line["event"] == event), None)

        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: self._silent or find())
            except TimeoutError:
                raise AssertionError(f"no {event!r} within {timeout} s; log:\n{self.tail()}") from None
        if (line := find()) is None:
            raise AssertionError(f"ended without {event!r}; log:\n{self.tail()}")
        return line

    def count(self, event: str) -> int:
        """Return the number of log lines with this event."""
        return sum(line["event"] == event for line in self.log)

    def count_open_files(self) -> int:
        """Return the number of its open files and sockets."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the worker has ended."""
        if self.is_running:
            self._process.send_signal(number)

    async def ended(self, timeout: float = LONGEST_WAIT) -> int:
        """Return the exit status, once the worker has ended and all its output was read."""
        try:
            async with asyncio.timeout(timeout):
                status = await self._process.wait()
                await self._reading
        except TimeoutError:
            raise AssertionError(f"still runs after {timeout} s; log:\n{self.tail()}") from None
        return status

    async def kill(self) -> None:
        """End the worker by SIGKILL."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """End the worker by SIGTERM and return the exit status."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        return await self.ended(timeout=15)

    def tail(self) -> str:
        """Return the last lines of the log and of the other output, for people."""
        lines = [orjson.dumps(line).decode() for line in self.log[-40:]]
        return "\n".join([*lines, *self.said[-40:]])

    async def _read(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            raise AssertionError("started without a pipe")
        async for line in stderr:
            try:
                self.log.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                self.said.append(line.decode(errors="replace").rstrip())
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._silent = True
            self._news.notify_all()
