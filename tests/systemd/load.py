"""An engine that writes while a test acts on the replicas, and the verdict on writes and deliveries."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.faults.rolling import REDELIVERED
from tests.systemd.machine import CHECKOUT, Machine

LOGINS: Final = "/etc/session-store-logins"
PYTHON: Final = "/opt/session-store/venv/bin/python"
END: Final = "/run/load-ends"


def engine_words(*words: str) -> list[str]:
    """Return the command of an engine in the machine, with the login of engines."""
    url = f'export AMQP_URL="$(cat {LOGINS}/engine/AMQP_URL)"'
    return [
        "sh",
        "-c",
        f'cd {CHECKOUT} && {url} && exec {PYTHON} -B -m tests.field.engine "$@"',
        "sh",
        *words,
    ]


def redelivered(machine: Machine) -> int:
    """Return how many deliveries the broker counts as repeated since it started."""
    said = machine.says(
        "runuser", "-u", "rabbitmq", "--", "/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "eval", REDELIVERED
    )
    return int(said.strip())


@contextmanager
def under_load(machine: Machine, *, redeliveries: bool = False) -> Iterator[None]:
    """Write during the block; assert afterwards that every last state is stored and no write has failed.

    Without `redeliveries` also assert that no delivery was repeated.
    """
    machine.says("rm", "-f", END)
    before = redelivered(machine)
    engine = machine.begin(*engine_words("load", END))
    assert engine.stdout
    assert engine.stdout.readline() == "started\n"
    try:
        yield
    finally:
        machine.says("touch", END)
        found = _found(engine)
    assert found["written"] > 0
    assert (found["failed"], found["wrong"]) == ([], []), found
    repeated = redelivered(machine) - before
    print(f"  {found['written']} events written, {repeated} redelivered, 0 failed, 0 lost")
    warnings = machine.says(
        "journalctl", "-p", "warning", "-u", "session-store@*", "-o", "cat", "--lines", "20"
    )
    assert redeliveries or repeated == 0, f"{repeated} deliveries were repeated\n{warnings}"


def _found(engine: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = engine.communicate(timeout=120)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
