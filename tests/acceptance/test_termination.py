"""SIGTERM ends every command, also as a container's first process, where it does nothing by default."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from deploy.local.instance import PROJECT
from deploy.local.ports import LOOPBACK
from tests.acceptance.test_lifecycle import until_somebody_waits_for_a_lock
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.replica import PROGRAM
from tests.support.servers.layouts import on_layout

STOP_SECONDS: Final = 10
COMMANDS = {
    "roles": [],
    "migrate": [],
    "topology": [],
    "retain": ["--completed-days", "90"],
    "partition": ["maintain"],
}
"""The commands that the manifests for Kubernetes run as jobs."""


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Yield a server that accepts connections and never sends a byte."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(LONGEST_WAIT)
        yield listening


def ignore_sigterm() -> None:
    """Ignore SIGTERM by default, as for the first process of a container."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_waits_for_a_server_ends_at_sigterm(
    command: str, silent_server: socket.socket
) -> None:
    address = f"{LOOPBACK}:{silent_server.getsockname()[1]}"
    process = subprocess.Popen(
        [PROGRAM, command, *COMMANDS[command]],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "DATABASE_URL": f"postgresql://u:p@{address}/d",
            "AMQP_URL": f"amqp://u:p@{address}/",
            "SESSION_STORE_CONNECTION_TIMEOUT_MS": "600000",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=ignore_sigterm,
    )
    try:
        connection, _ = silent_server.accept()
        with connection:
            assert connection.recv(1)  # it has sent its first bytes, and waits for an answer
            process.terminate()
            said, _ = process.communicate(timeout=LONGEST_WAIT)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said) == (143, "")


BLOCKS = """
import time
print("importing", flush=True)
while True:
    time.sleep(60)
"""


def terminated(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Send SIGTERM to a process; return its status and the rest of its output."""
    try:
        process.terminate()
        said, _ = process.communicate(timeout=STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def started(*command: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """Return a process that was started with SIGTERM ignored."""
    return subprocess.Popen(
        command,
        env={"PATH": os.environ.get("PATH", os.defpath), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=ignore_sigterm,
    )


@pytest.mark.parametrize("module", ["typer", "structlog", "aiormq"])
def test_a_worker_that_still_imports_ends_at_sigterm(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(BLOCKS)
    process = started(PROGRAM, "run", PYTHONPATH=str(tmp_path))
    assert process.stdout
    assert process.stdout.readline() == "importing\n"
    assert terminated(process) == (143, "")


async def test_a_migration_that_waits_for_another_one_ends_at_sigterm(empty_database_url: str) -> None:
    first = await asyncpg.connect(empty_database_url)
    await first.execute("SELECT pg_advisory_lock($1)", int.from_bytes(b"sessions"))
    process = started(PROGRAM, "migrate", DATABASE_URL=empty_database_url)
    async with asyncio.timeout(LONGEST_WAIT):
        while not await first.fetch(
            "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory%'"
        ):
            await asyncio.sleep(0.01)
    assert await asyncio.to_thread(terminated, process) == (143, "")
    await first.close()


@on_layout("plain")  # partitions need no conversion
async def test_a_conversion_that_waits_for_a_lock_ends_at_sigterm(database_url: str) -> None:
    blocking = await asyncpg.connect(database_url)
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE sessions")
        process = started(PROGRAM, "partition", "convert", DATABASE_URL=database_url)
        await until_somebody_waits_for_a_lock(blocking)
        assert await asyncio.to_thread(terminated, process) == (143, "")
    await blocking.close()


WORKS = """
import time
from worker.cli.console import run_to_end

async def block() -> None:
    print("working", flush=True)
    while True:
        time.sleep(60)

run_to_end(block())
"""


def test_a_command_whose_event_loop_is_blocked_ends_at_sigterm() -> None:
    process = started(sys.executable, "-c", WORKS, PYTHONPATH=str(PROJECT))
    assert process.stdout
    assert process.stdout.readline() == "working\n"
    assert terminated(process) == (143, "")
