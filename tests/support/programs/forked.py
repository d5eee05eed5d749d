"""Workers and commands by the fork server, which starts with the first of them."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import select
from tempfile import TemporaryFile
from threading import Lock
from typing import Final, Self

import orjson

from deploy.local.instance import PROJECT

_PYTHON: Final = PROJECT / ".venv" / "bin" / "python"
READ_AT_START: Final = ("PYTHON", "LD_", "MALLOC_")
"""Prefixes of variables that a process reads only when it is executed."""
_SERVER: Final = "tests.support.programs.fork_server"


class ForkedProcess:
    """The counterpart of `asyncio.subprocess.Process` for a process that is no child of this one."""

    def __init__(self, pid: int, stderr: asyncio.StreamReader, status: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(status))

    @classmethod
    async def of(cls, stderr: int, status: int, limit: int) -> Self:
        """Return the process at the other ends of these pipes, once it exists; it then owns the pipes."""
        said, told = await _reader(stderr, limit), await _reader(status, limit)
        return cls(int(await told.readline()), said, told)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Return the exit status once the process has ended."""
        return await asyncio.shield(self._ending)

    async def _end(self, status: asyncio.StreamReader) -> int:
        self.returncode = int(await status.read())
        return self.returncode


class ForkServer:
    """The program `tests.support.programs.fork_server`, started by the first request for a process."""

    def __init__(self) -> None:
        self._starting = Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def fork(self, words: Sequence[str], environment: Mapping[str, str], limit: int) -> ForkedProcess:
        """Return a process of `session-store` with these arguments; `limit` bounds a line of its log, in bytes."""
        stderr, its_stderr = os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR)
        status = self._ask(words, environment, Path("/"), (nothing, nothing, its_stderr))
        os.close(nothing)
        os.close(its_stderr)
        return await ForkedProcess.of(stderr, status, limit)

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        stdin: str,
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """Return the finished command; after `timeout` seconds it is killed, and TimeoutExpired is raised."""
        with TemporaryFile("w+") as given, TemporaryFile("w+") as result, TemporaryFile("w+") as messages:
            given.write(stdin)
            given.seek(0)
            streams = (given.fileno(), result.fileno(), messages.fileno())
            with os.fdopen(self._ask(words, environment, directory, streams)) as status:
                pid = int(status.readline())
                if not select([status], [], [], timeout)[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(words), timeout)
                ended = int(status.readline())
            result.seek(0)
            messages.seek(0)
            return subprocess.CompletedProcess(list(words), ended, result.read(), messages.read())

    def end(self) -> None:
        """End the server; its workers continue."""
        if self._control and self._process:
            self._control.close()
            self._process.wait()

    def _ask(
        self, words: Sequence[str], environment: Mapping[str, str], directory: Path, streams: Sequence[int]
    ) -> int:
        """Ask for a process; returns the descriptor from which its id and its exit status are read."""
        with self._starting:
            control = self._control or self._start()
        status, its_status = os.pipe()
        message = {
            "words": ["session-store", *words],
            "environment": environment,
            "directory": str(directory),
        }
        socket.send_fds(control, [orjson.dumps(message)], [*streams, its_status])
        os.close(its_status)
        return status

    def _start(self) -> socket.socket:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [_PYTHON, "-m", _SERVER, str(its.fileno())],
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        return self._control


@dataclass(slots=True)
class Forking:
    """The choice of forked processes: with a server, commands and maybe workers; all others are executed."""

    server: ForkServer | None = None
    also_workers: bool = True

    def of_worker(self, environment: Mapping[str, str]) -> ForkServer | None:
        """Return the server that forks a worker with this environment; None where it is executed."""
        return self.of_command(environment) if self.also_workers else None

    def of_command(self, environment: Mapping[str, str]) -> ForkServer | None:
        """Return the server that forks a command with this environment; None where it is executed."""
        is_for_interpreter = any(name.startswith(READ_AT_START) for name in environment)
        return None if is_for_interpreter else self.server


FORKING: Final = Forking()


async def _reader(descriptor: int, limit: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
