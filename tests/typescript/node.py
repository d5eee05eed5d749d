"""The built TypeScript client, and Node programs run to their end."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import LOCAL, PROJECT
from tests.support.once import once_a_run

PACKAGE: Final = PROJECT / "contracts" / "typescript"


def run_node(*words: str, directory: Path = PACKAGE, variables: Mapping[str, str] | None = None) -> str:
    """Return the output of a Node program; fails with its output if the program fails."""
    done = subprocess.run(
        words,
        cwd=directory,
        env={**os.environ, **(variables or {}), "NO_COLOR": "1", "CI": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def install_dependencies() -> None:
    """Install the client's locked dependencies if needed; only one process installs at a time."""
    assert shutil.which("npm"), "npm is missing; run: make test"
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = PACKAGE / "node_modules" / ".package-lock.json"
        if (
            not installed.exists()
            or installed.stat().st_mtime < (PACKAGE / "package-lock.json").stat().st_mtime
        ):
            # Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms.
            run_node("npm", "install", "--no-save")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the locked dependencies, and build the package once a run: each build deletes the one before."""
    install_dependencies()
    once_a_run(tmp_path_factory, "npm-package", lambda _: run_node("npm", "run", "build"))
