"""The worker's process, as a person would start it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "session-store"
STOP_SECONDS = 15


class WorkerProcess:
    """One `session-store run` whose log goes to a file."""

    def __init__(self, variables: Mapping[str, str], log: Path) -> None:
        self._environment = {**os.environ, **variables}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> None:
        """Run another `session-store` command to its end; raises CalledProcessError with its output."""
        subprocess.run([PROGRAM, *arguments], env=self._environment, check=True, capture_output=True)

    def start(self) -> None:
        """Have the worker started; the broker keeps what comes before it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "run"], env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the worker as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """End the worker as an operator would; returns its exit code, 0 when none runs."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return 1
