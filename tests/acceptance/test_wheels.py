"""The built wheels for engines and operators, each alone in a fresh virtual environment."""

import zipfile
from pathlib import Path

import pytest

from tests.support.programs.wheels import Environment, wheels

__all__ = ["wheels"]

pytestmark = pytest.mark.timeout(400)

PLAY = """
import asyncio, sys
from session_store_client import SessionStore

SESSION = {"sessionId": "sess_1", "playerId": "player_1", "encounter": {}, "state": {"step": 1}}

async def play(url):
    async with SessionStore(url, timeout=20) as store:
        result = await store.write({**SESSION, "startedAt": "2025-11-07T10:30:00.000Z"})
        record = await store.read("sess_1")
        print(result.outcome.value, record.session.state)

asyncio.run(play(sys.argv[1]))
"""


def test_the_client_alone_writes_and_reads(
    wheels: dict[str, Path], plain_installation: str, tmp_path: Path
) -> None:
    environment = Environment(tmp_path / "venv")
    environment.install(wheels["session-store-client"])
    assert (
        environment.run("python", "-I", "-W", "error", "-c", PLAY, plain_installation)
        == "stored {'step': 1}\n"
    )
    assert not environment.names & {"session-store", "asyncpg", "aiohttp", "typer", "uvloop"}


def test_the_program_of_the_worker_runs(wheels: dict[str, Path], tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    environment.install(wheels["session-store"])
    assert environment.run("session-store", "version") == "0.1.0\n"
    assert "migrate" in environment.run("session-store", "--help")
    assert "SESSION_STORE_BODY_LIMIT" in environment.run("session-store", "config")


def test_no_wheel_has_a_package_of_a_general_name(wheels: dict[str, Path]) -> None:
    tops = {
        name: {path.partition("/")[0] for path in zipfile.ZipFile(wheel).namelist()}
        for name, wheel in wheels.items()
    }
    assert tops == {
        "session-store": {"session_store", "session_store-0.1.0.dist-info"},
        "session-store-client": {"session_store_client", "session_store_client-0.1.0.dist-info"},
    }
