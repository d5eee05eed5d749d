"""A container engine with Compose: this machine's, or else Debian's in a tree."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from deploy.local.containers import engine_answers
from deploy.local.instance import PROJECT
from tests.field.debian import PLACE, make_tree
from tests.versions.trees import CannotMake

ENGINE: Final = Path(__file__).parent / "engine"
SUITE: Final = "trixie"
PACKAGES: Final = (
    "docker.io",
    "docker-cli",
    "docker-compose",
    "iptables",
    "iproute2",
    "ca-certificates",
    "procps",
)
START_SECONDS: Final = 60
COMMAND_SECONDS: Final = 900
PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Docker:
    """A container engine; the words in `enter` precede each command, which runs in the checkout."""

    def __init__(self, enter: list[str], name: str) -> None:
        self._enter = enter
        self.name = name

    def type(self, commands: str, seconds: float = COMMAND_SECONDS) -> str:
        """Return the output of these commands; fail at the first one that fails."""
        done = self._run(["bash", "-euo", "pipefail", "-c", commands], None, seconds)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{commands}\n{said[-6_000:]}"
        return said

    def load(self, words: list[str], given: IO[bytes]) -> None:
        """Run `docker` with this standard input."""
        done = self._run(["docker", *words], given, COMMAND_SECONDS)
        assert done.returncode == 0, done.stdout.decode(errors="replace")

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a program and return its process."""
        return subprocess.Popen(
            [*self._enter, *words], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def until(self, wanted: str, commands: str, seconds: float = START_SECONDS) -> str:
        """Repeat the commands until their output has this text; return the output."""
        end = time.monotonic() + seconds
        while wanted not in (said := self.type(commands)):
            assert time.monotonic() < end, f"{commands} does not say {wanted!r}:\n{said[-6_000:]}"
            time.sleep(0.5)
        return said

    def _run(
        self, words: list[str], given: IO[bytes] | None, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self._enter, *words],
            cwd=PROJECT,
            stdin=given or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )


@contextmanager
def container_engine() -> Iterator[Docker]:
    """Yield an engine that answers, and end it if it was started here; raise CannotMake without one."""
    if engine_answers():
        yield Docker([], "this machine's engine")
        return
    if os.geteuid() != 0:
        raise CannotMake("no container engine answers, and only root may start one")
    tree = make_tree("docker", SUITE, PACKAGES)
    data = PLACE / "docker"
    data.mkdir(parents=True, exist_ok=True)
    with (PLACE / "dockerd.log").open("wb") as log:
        words = [str(ENGINE), str(tree), str(data), str(PROJECT)]
        running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield _wait_for(running, tree)
    finally:
        _end(running)


def _wait_for(running: subprocess.Popen[bytes], tree: Path) -> Docker:
    end = time.monotonic() + START_SECONDS
    while running.poll() is None and time.monotonic() < end:
        if first := _first_inside(running):
            enter = ["nsenter", "-t", first, "-m", "-n", "-p", "-r", "--"]
            enter += ["env", "-i", "-C", str(PROJECT), PATH, "HOME=/root"]
            ready = subprocess.run([*enter, "docker", "info"], capture_output=True, check=False)
            if ready.returncode == 0:
                return Docker(enter, f"Debian's engine in {tree.name}, started for this")
        time.sleep(0.5)
    raise CannotMake(f"dockerd does not start: {(PLACE / 'dockerd.log').read_text()[-1_500:]}")


def _first_inside(running: subprocess.Popen[bytes]) -> str:
    """Return the engine's process id, the first in its namespace; "" before it exists."""
    listed = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


def _end(running: subprocess.Popen[bytes]) -> None:
    """Stop the engine with every container by its own process id: `unshare` passes no signal on."""
    if first := _first_inside(running):
        os.kill(int(first), signal.SIGTERM)
    running.wait(START_SECONDS)


def has_registry(docker: Docker) -> bool:
    """Return whether the engine reaches the registry that has the base images."""
    if not docker.name.startswith("this"):
        return False  # its network has no way out
    try:
        docker.type("timeout 60 docker pull --quiet python:3.13-slim")
    except AssertionError:
        return False
    return True
