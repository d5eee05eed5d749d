"""The contestants and how each is started, or the reason why it cannot be."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from contracts.topology import WRITE_KEY
from deploy.local.instance import LOCAL, PROJECT
from tests.bench.stand import PLAIN_QUEUE, PROGRAM

HERE: Final = Path(__file__).parent
NODE: Final = HERE / "node"
OURS: Final = PROJECT / ".venv" / "bin"
THEIRS: Final = PROJECT / ".venv-bench" / "bin"

Command = Callable[[str, int], list[str]]
"""Makes the words of a command from the broker's URL and the number of events."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program that stores events from a queue, or without one from its standard input.

    One that `reports` measures itself and prints its figures. `program` makes the schema for its turns.
    """

    name: str
    command: Command
    queue: str | None = WRITE_KEY
    reports: bool = False
    directory: Path = PROJECT
    missing: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    program: Path = PROGRAM

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """Return the environment to start it in."""
        return {**variables, "PYTHONPATH": str(self.program.parent.parent.parent), **self.settings}


def worker_of(project: Path = PROJECT, name: str = "session-store") -> Contestant:
    """Return the worker of a checkout."""
    program = project / ".venv" / "bin" / "session-store"
    return Contestant(name, lambda *_: [str(program), "run"], directory=project, program=program)


def contestants() -> list[Contestant]:
    """Return all contestants, in the order of the table."""
    return [
        worker_of(),
        _python("aio-pika, one message a transaction", "plain.py"),
        _python("FastStream with pydantic, the same", "with_faststream.py"),
        _node("Node: amqplib and pg, an upsert a message", "amqplib_pg.mjs"),
        _python("mq-bridge, batches of 500", "bridge.py", queue=PLAIN_QUEUE),
        _node("Node: the engine writes by pg, no broker", "direct_pg.mjs", queue=None),
    ]


def limits() -> list[Contestant]:
    """Return the programs that show the limit of each side by itself."""
    ours = str(OURS / "python")
    return [
        Contestant("our intake, dropping", lambda _, n: [ours, str(HERE / "drop.py"), str(n)], reports=True),
        _compiled("librabbitmq in C, dropping", "drop.c"),
        Contestant(
            "the same batches into PostgreSQL, no broker",
            lambda *_: [ours, str(HERE / "batches.py")],
            queue=None,
            reports=True,
        ),
    ]


def _python(name: str, script: str, queue: str = WRITE_KEY) -> Contestant:
    program = THEIRS / "python"
    missing = None if program.exists() else "its packages are not installed: make bench installs them"
    return Contestant(name, lambda *_: [str(program), str(HERE / script)], queue, missing=missing)


def _node(name: str, script: str, queue: str | None = WRITE_KEY) -> Contestant:
    missing = None
    if not shutil.which("node"):
        missing = "node is not installed"
    elif not (NODE / "node_modules" / "pg").exists():
        missing = "its packages are not installed: make bench installs them"
    return Contestant(name, lambda *_: ["node", str(NODE / script)], queue, directory=NODE, missing=missing)


def _compiled(name: str, source: str) -> Contestant:
    program = LOCAL / "bench-drop"
    words = ["cc", "-O2", "-o", str(program), str(HERE / source), "-lrabbitmq"]
    try:
        LOCAL.mkdir(exist_ok=True)
        subprocess.run(words, check=True, capture_output=True, text=True)
    except OSError as error:
        return Contestant(name, lambda *_: [], missing=f"no C compiler: {error}")
    except subprocess.CalledProcessError:
        return Contestant(name, lambda *_: [], missing="it does not compile: is librabbitmq-dev installed?")

    def command(url: str, number: int) -> list[str]:
        parts = urlsplit(url)
        login = [parts.username or "guest", parts.password or "guest"]
        return [
            str(program), parts.hostname or "", str(parts.port), *login, WRITE_KEY, str(number)
        ]  # fmt: skip

    return Contestant(name, command, reports=True)
