"""The common part of PostgreSQL and RabbitMQ servers: one main process, known by a record in a directory."""

import signal
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from deploy.local.errors import StartFailed
from deploy.local.ports import keep_or_choose
from deploy.local.processes import Process, await_end, freeze_family, is_alive, kill_family, send, thaw_family
from deploy.local.record import Record, read_record, write_record

_POLL_SECONDS = 0.03
_STARTS = 3
_LOG_LINES = 25


class Server(ABC):
    """A private server on loopback ports; every method finds the same server from any program."""

    port_names: ClassVar[tuple[str, ...]]
    start_seconds: ClassVar[float] = 120.0
    taken_words: ClassVar[tuple[str, ...]]

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._log_mark = 0

    @property
    def log(self) -> Path:
        """The file with the server's output."""
        return self.directory / "log"

    @property
    def port(self) -> int:
        """The port clients connect to; KeyError before the first start."""
        return self._record.ports[self.port_names[0]]

    @property
    def pid(self) -> int | None:
        """The main process, None when the server is not running."""
        process = self._process
        return process.pid if process else None

    def is_running(self) -> bool:
        """Say whether the main process exists, be it ready, starting or frozen."""
        return self._process is not None

    def describe(self) -> str:
        """Say for a person whether the server runs, where, and where its log is."""
        ports = self._record.ports.values()
        where = f" on port {self.port}" if ports else ""
        return f"running{where} (pid {self.pid}), log {self.log}" if self.is_running() else "not running"

    def start(self) -> None:
        """Have the server running and ready for clients; raises StartFailed with the last log lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _STARTS + 1):
            if self.is_running():
                self.thaw()
            else:
                self._begin()
            if self._await_ready():
                return
            if attempt == _STARTS or not self._port_was_taken():
                break
            self._keep(replace(self._record, ports={}))
        lines = self._last_lines()
        self.kill()
        raise StartFailed(f"{type(self).__name__} in {self.directory} did not start; its log ends:\n{lines}")

    def freeze(self) -> None:
        """Stop every process of the server where it stands; its connections stay open and silent."""
        if process := self._process:
            freeze_family(process)

    def thaw(self) -> None:
        """Resume a frozen server."""
        if process := self._process:
            thaw_family(process)

    def kill(self) -> None:
        """End every process of the server at once with SIGKILL, nothing written or said."""
        if process := self._process:
            kill_family(process)
        self._end_companion()

    def _finish(self, number: signal.Signals, seconds: float) -> None:
        if process := self._process:
            self.thaw()
            send([process], number)
            if not await_end([process], seconds):
                kill_family(process)
        self._end_companion()

    def _begin(self) -> None:
        ports = keep_or_choose(self.port_names, self._record.ports)
        self._keep(replace(self._record, process=None, ports=ports))
        self._prepare()
        self._log_mark = self.log.stat().st_size if self.log.exists() else 0
        process = self._launch()
        self._keep(replace(self._record, process=process))

    def _await_ready(self) -> bool:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if not self.is_running():
                return False
            if self._is_ready():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _port_was_taken(self) -> bool:
        return any(word in self._last_lines() for word in self.taken_words)

    def _last_lines(self) -> str:
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as log:
            log.seek(self._log_mark)
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-_LOG_LINES:])

    def _end_companion(self) -> None:
        if (companion := self._record.companion) and is_alive(companion):
            kill_family(companion)

    @property
    def _record(self) -> Record:
        return read_record(self.directory)

    def _keep(self, record: Record) -> None:
        write_record(self.directory, record)

    @property
    def _process(self) -> Process | None:
        process = self._record.process
        return process if process and is_alive(process) else None

    @abstractmethod
    def _prepare(self) -> None:
        """Have every file the server needs in place, for the ports in the record."""

    @abstractmethod
    def _launch(self) -> Process:
        """Start the main process."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether a client would be served now."""

    @abstractmethod
    def stop(self) -> None:
        """Have the server ended in good order."""
