"""A worker in the background, for an instance's servers."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from deploy.local.errors import CommandFailed, StartFailed
from deploy.local.instance import PROJECT, Servers
from deploy.local.processes import Process, spawn
from deploy.local.server import Server

_PROGRAM: Final = PROJECT / ".venv" / "bin" / "session-store"
_STOP_SECONDS = 15.0  # it promises 10


class WorkerProcess(Server):
    """`session-store run`, ready once it takes events from the queue."""

    port_names: ClassVar[tuple[str, ...]] = ()
    taken_words: ClassVar[tuple[str, ...]] = ()
    start_seconds: ClassVar[float] = 30.0

    def __init__(
        self, directory: Path, servers: Servers, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(directory)
        self._servers = servers
        self._settings = settings

    def stop(self) -> None:
        """Have the worker ended after it has settled its deliveries."""
        self._finish(signal.SIGTERM, _STOP_SECONDS)

    def _prepare(self) -> None:
        """Have the database migrated and the topology declared."""
        for command in ("migrate", "topology"):
            words = [str(_PROGRAM), command]
            done = subprocess.run(
                words, env=self._environment(), cwd=PROJECT, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise CommandFailed(f"{' '.join(words)}:\n{done.stderr.strip()}")

    def _launch(self) -> Process:
        command = [str(_PROGRAM), "run"]
        return spawn(command, log=self.log, environment=self._environment(), directory=PROJECT)

    def _is_ready(self) -> bool:
        return self._servers.has_consumers()

    def _environment(self) -> dict[str, str]:
        endpoints = self._servers.endpoints()
        if endpoints is None:
            raise StartFailed("the worker's servers are not running")
        return {**os.environ, **self._settings, **endpoints.variables()}
