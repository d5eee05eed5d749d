"""A command imports only the modules that it needs, and none of the other commands."""

import subprocess
import sys

import pytest

from worker.cli import COMMANDS

IMPORTED = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
sys.argv = ["session-store", *sys.argv[1:]]
from worker.cli import main
main()
"""
OF_OTHERS = {place.module for place in COMMANDS.values()} - {"worker.cli.version"}  # `--version` needs it


def imported_by(*arguments: str) -> set[str]:
    """Return the modules of a process that was called with these arguments and no settings."""
    words = [sys.executable, "-c", IMPORTED, *arguments]
    done = subprocess.run(words, env={}, capture_output=True, text=True, timeout=120, check=False)
    return set(done.stdout.splitlines()[-1].split())


def test_the_release_is_printed_without_an_event_loop_or_servers() -> None:
    imported = imported_by("version")
    assert not imported & {"asyncio", "structlog", "rich", "aiohttp", "asyncpg", "aio_pika"}


@pytest.mark.parametrize(
    ("command", "own"),
    [("run", {"worker.cli.worker", "worker.cli.config"}), ("migrate", {"worker.cli.migrating"})],
)
def test_a_command_imports_no_module_of_another(command: str, own: set[str]) -> None:
    imported = imported_by(command)
    assert imported & OF_OTHERS == own
    assert not imported & {"worker.doctor", "rich.progress", "rich.live"}


def test_the_database_is_migrated_without_the_broker_or_a_page() -> None:
    assert not imported_by("migrate") & {"aio_pika", "aiohttp", "prometheus_client", "worker.app"}
