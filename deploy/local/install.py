"""Server programs: finds the missing ones, says how a person installs them, and does so where that is allowed.

Installing leaves no service running or enabled that was not there before: the servers we start are private ones.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
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
_LOCK_SECONDS = 300.0
_LOCK_PAUSE_SECONDS = 2.0
_HELD: Final = re.compile(r"Could not get lock \S+?\.? (?:It is held by (process \d+ \(.*?\)))?")
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
    """Have the packages installed by apt, no new service left running.

    While another program holds apt's lock, as a new machine's automatic upgrade does, it waits for up to five
    minutes. Raises CommandFailed with apt's words.
    """
    report(f"installing {', '.join(packages)} by apt")
    _apt(report, "update")
    if POSTGRES in packages:
        _apt(report, "install", "postgresql-common")
    with _no_main_cluster(), _masked_units():
        _apt(report, "install", *packages)
    for service in {RABBITMQ, PROMETHEUS, PGBOUNCER} & set(packages):
        _disable_service(service)


def _apt(report: Callable[[str], None], command: str, *packages: str) -> None:
    options = ["-y", "--no-install-recommends"] if command == "install" else []
    words = ["apt-get", "-qq", command, *options, *packages]
    until, is_waiting = monotonic() + _LOCK_SECONDS, False
    while (done := _run(words)).returncode != 0:
        held = _HELD.search(done.stderr)
        if held is None or monotonic() > until:
            raise CommandFailed(f"{' '.join(words)}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
        if not is_waiting:
            report(f"waiting for {held[1] or 'another program'}, which holds apt's lock")
            is_waiting = True
        sleep(_LOCK_PAUSE_SECONDS)


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    # invoke-rc.d starts nothing in runlevel 1.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LC_ALL": "C"}
    return subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


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
