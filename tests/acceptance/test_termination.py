"""SIGTERM ends every command, as the first process of a container too, where the signal's default does nothing."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from deploy.local.ports import LOOPBACK
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.replica import PROGRAM

COMMANDS = {
    "roles": [],
    "migrate": [],
    "topology": [],
    "retain": ["--completed-days", "90"],
    "partition": ["maintain"],
}
"""Those that the manifests for Kubernetes run as jobs."""


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Yield a server that accepts connections and never says a word."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(LONGEST_WAIT)
        yield listening


def ignore_sigterm() -> None:
    """Have the program begin as the first process of a container does: SIGTERM does nothing by default."""
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
