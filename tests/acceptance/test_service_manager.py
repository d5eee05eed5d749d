"""The messages of a worker to systemd, and the units and installer for it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import PROJECT
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica
from tests.support.selection import long

UNIT: Final = PROJECT / "deploy" / "systemd" / "session-store@.service"
NIGHTLY: Final = [
    UNIT.with_name(f"session-store-{name}.{kind}")
    for name in ("retain", "partition")
    for kind in ("service", "timer")
]
LARGEST_EXPOSURE: Final = 1.5
SILENCE_SECONDS: Final = 2.5  # a worker notifies the watchdog every second


class Manager:
    """A service manager that receives notifications."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    async def next(self) -> list[str]:
        """Return the lines of the next message."""
        async with asyncio.timeout(30):
            message = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
        return message.decode().split("\n")

    async def until(self, line: str) -> list[str]:
        """Return all lines up to the first message that has this one."""
        lines: list[str] = []
        while line not in lines:
            lines += await self.next()
        return lines

    def forget(self) -> None:
        """Drop the messages that were not read."""
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    listening = Manager(tmp_path / "notify")
    yield listening
    listening.close()


@asynccontextmanager
async def managed(installation: Variables, tmp_path: Path) -> AsyncIterator[Replica]:
    replica = await Replica.start(installation | {"NOTIFY_SOCKET": str(tmp_path / "notify")})
    yield replica
    await replica.kill()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_ready_is_told_once_consumers_are_attached_and_stopping_on_sigterm(
    installation: Variables, manager: Manager, tmp_path: Path
) -> None:
    async with managed(installation, tmp_path) as replica:
        told = await manager.until("READY=1")
        assert [line["event"] for line in replica.log if line["event"] == "broker.connected"]
        assert told[0] == "WATCHDOG=1"
        assert told[-1] == "STATUS=storing and answering"
        assert "READY=1" not in await manager.next()
        assert await replica.stop() == 0
        assert "STATUS=draining" in await manager.until("STOPPING=1")


async def test_a_loop_that_stalls_says_nothing_and_so_is_found_out(
    installation: Variables, manager: Manager, tmp_path: Path
) -> None:
    async with managed(installation, tmp_path) as replica:
        await manager.until("READY=1")
        os.kill(replica.pid, signal.SIGSTOP)
        while not is_stopped(replica.pid):
            await asyncio.sleep(0.01)
        manager.forget()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS):
                await manager.next()
        os.kill(replica.pid, signal.SIGCONT)
        assert "WATCHDOG=1" in await manager.next()


async def test_what_keeps_a_worker_from_being_ready_is_its_status(
    installation: Variables, manager: Manager, tmp_path: Path
) -> None:
    away = installation | {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}
    async with managed(away, tmp_path):
        told = await manager.next()
        while "refused" not in told[-1].lower():
            told += await manager.next()
        assert "READY=1" not in told


def test_the_unit_is_valid_and_gives_a_taken_over_worker_little() -> None:
    program = shutil.which("systemd-analyze")
    assert program, "systemd is missing; run: make test"
    said = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=True,
    )
    (verdict,) = [line for line in said.stdout.splitlines() if "Overall exposure level" in line]
    assert float(verdict.split(": ")[1].split()[0]) <= LARGEST_EXPOSURE
    units = [UNIT, *NIGHTLY]
    verified = subprocess.run([program, "verify", *units], capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if "not executable" not in line]
    assert [line for line in complaints if any(unit.stem in line for unit in units)] == []


def test_the_unit_lets_python_run_and_nothing_be_written() -> None:
    lines = [line.partition("=") for line in UNIT.read_text(encoding="utf-8").splitlines()]
    said = {
        name: value.split()
        for name, _, value in lines
        if name in ("NoExecPaths", "ExecPaths", "ReadOnlyPaths")
    }
    volatile = ["/", "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - a unit's words
    assert said["NoExecPaths"] == said["ReadOnlyPaths"] == volatile
    assert not any(path.lstrip("-").endswith(("/bin", "/sbin", "/usr")) for path in said["ExecPaths"])
    forbidden = [value for name, _, value in lines if name == "SystemCallFilter"][1]
    assert {"@privileged", "@resources", "memfd_create"} <= set(forbidden.removeprefix("~").split())


def test_a_dry_run_of_the_installer_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    install = UNIT.parent / "install.sh"
    dry = subprocess.run(
        [install, "--dry-run", "--root", tmp_path / "dry"], capture_output=True, text=True, check=True
    )
    assert "venv" in dry.stdout
    assert not (tmp_path / "dry").exists()


@long("the release is installed from the network, twice")
def test_it_is_installed_again_and_uninstalled_below_a_directory(tmp_path: Path) -> None:
    install, uninstall = (UNIT.parent / f"{name}.sh" for name in ("install", "uninstall"))
    secret = tmp_path / "etc/session-store/credentials/DATABASE_URL"
    subprocess.run([install, "--root", tmp_path], check=True, capture_output=True)
    secret.write_text("kept")
    subprocess.run([install, "--root", tmp_path], check=True, capture_output=True)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("kept", 0o600)
    program = tmp_path / "opt/session-store/venv/bin/session-store"
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=True, cwd="/")
    assert said.stdout.strip() == version("session-store")
    subprocess.run([uninstall, "--root", tmp_path], check=True, capture_output=True)
    assert secret.exists()
    subprocess.run([uninstall, "--root", tmp_path, "--purge"], check=True, capture_output=True)
    assert list((tmp_path / "opt").iterdir()) == list((tmp_path / "etc/systemd/system").iterdir()) == []
