"""Server programs: finds the missing ones, says how a person installs them, and does so where that is allowed.

Installing leaves no service running or enabled that was not there before: the servers we start are private ones.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.errors import CommandFailed
from deploy.local.programs import find_pgbouncer, find_postgres, find_rabbitmq

POSTGRES: Final = "postgresql"
RABBITMQ: Final = "rabbitmq-server"
VENV: Final = "python3-venv"
NPM: Final = "npm"
PROMETHEUS: Final = "prometheus"
SYSTEMD: Final = "systemd"
PGBOUNCER: Final = "pgbouncer"

_FORMULAS: Final = {POSTGRES: "postgresql@16", RABBITMQ: "rabbitmq", VENV: "python@3.13", NPM: "node"}
_CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")
_SYSTEMD = Path("/run/systemd/system")
_UNITS = ("rabbitmq-server.service", "epmd.socket", "prometheus.service", "pgbouncer.service")


def missing_packages(*, for_tests: bool = False) -> list[str]:
    """Return the Debian names of the packages that this machine lacks for a first run, or for all the tests."""
    present = {
        POSTGRES: find_postgres() is not None,
        RABBITMQ: find_rabbitmq() is not None,
        VENV: importlib.util.find_spec("ensurepip") is not None,
        NPM: not for_tests or shutil.which("npm") is not None,
        PROMETHEUS: not for_tests or not shutil.which("apt-get") or shutil.which("promtool") is not None,
        PGBOUNCER: not for_tests or not shutil.which("apt-get") or find_pgbouncer() is not None,
        SYSTEMD: not for_tests or not shutil.which("apt-get") or shutil.which("systemd-analyze") is not None,
    }
    return [package for package, found in present.items() if not found]


def may_install() -> bool:
    """Say whether this is a machine with apt and we are root on it."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def how_to_install(packages: list[str]) -> str:
    """Return the missing programs and the line to copy that installs them, for the installer of this machine."""
    missing = f"missing on this machine: {', '.join(packages)}"
    if shutil.which("apt-get"):
        line = f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
    elif shutil.which("brew"):
        line = f"brew install {' '.join(_FORMULAS[package] for package in packages)}"
    else:
        return f"{missing}. Install PostgreSQL 12 or later and RabbitMQ 3.10 or later, or start a container engine."
    return f"{missing}. Install with\n\n    {line}\n"


def install(packages: list[str], report: Callable[[str], None]) -> None:
    """Have the packages installed by apt, no new service left running; raises CommandFailed with apt's words."""
    report(f"installing {', '.join(packages)} by apt")
    _apt("update")
    if POSTGRES in packages:
        _apt("install", "postgresql-common")
    with _no_main_cluster(), _masked_units():
        _apt("install", *packages)
    for service in {RABBITMQ, PROMETHEUS, PGBOUNCER} & set(packages):
        _disable_service(service)


def _apt(command: str, *packages: str) -> None:
    options = ["-y", "--no-install-recommends"] if command == "install" else []
    # invoke-rc.d starts nothing in runlevel 1.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    words = ["apt-get", "-qq", command, *options, *packages]
    done = subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")


@contextmanager
def _no_main_cluster() -> Iterator[None]:
    """Keep Debian's package from creating and starting a cluster on port 5432; its setting is put back."""
    if not _CLUSTERS.exists():
        yield
        return
    kept = _CLUSTERS.read_text()
    _CLUSTERS.write_text(f"{kept}\ncreate_main_cluster = false\n")
    try:
        yield
    finally:
        _CLUSTERS.write_text(kept)


@contextmanager
def _masked_units() -> Iterator[None]:
    """Keep systemd, where it runs, from starting units that are not installed yet."""
    fresh = [unit for unit in _UNITS if _SYSTEMD.is_dir() and not _is_known(unit)]
    for unit in fresh:
        _systemctl("mask", "--runtime", unit)
    try:
        yield
    finally:
        for unit in fresh:
            _systemctl("unmask", "--runtime", unit)


def _is_known(unit: str) -> bool:
    return subprocess.run(["systemctl", "cat", unit], capture_output=True, check=False).returncode == 0


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], capture_output=True, check=False)


def _disable_service(name: str) -> None:
    """Keep a service that came with a package just installed from starting with the machine."""
    if shutil.which("update-rc.d"):
        subprocess.run(["update-rc.d", name, "disable"], capture_output=True, check=False)
