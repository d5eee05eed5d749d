"""Where the server programs are on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from deploy.local.errors import MissingPrograms

POSTGRES_PROGRAMS: Final = "POSTGRES_PROGRAMS"
"""The variable that names the directory of PostgreSQL's programs; without it the newest of this machine are used."""

RABBITMQ_PROGRAMS: Final = "RABBITMQ_PROGRAMS"
"""The variable that names the directory of RabbitMQ's programs, or of scripts that run them."""

_HOMEBREW = (Path("/opt/homebrew"), Path("/usr/local"), Path("/home/linuxbrew/.linuxbrew"))
_ADVICE = "run `make setup`, or `python3 -m deploy.local install` to see what to install"


def find_postgres() -> Path | None:
    """Return the directory of initdb, postgres and psql; None if there is none.

    Raises MissingPrograms where the variable names a directory without them.
    """
    programs = ("initdb", "postgres", "psql")
    return _named(POSTGRES_PROGRAMS, programs) or _first_with(_postgres_places(), programs)


def find_rabbitmq() -> Path | None:
    """Return the directory of RabbitMQ's own scripts; the wrappers in PATH want root or the user rabbitmq.

    Raises MissingPrograms where the variable names a directory without them.
    """
    programs = ("rabbitmq-server", "rabbitmqctl")
    if named := _named(RABBITMQ_PROGRAMS, programs):
        return named
    if shutil.which("erl") is None:
        return None
    return _first_with(_rabbitmq_places(), programs)


def find_pgbouncer() -> Path | None:
    """Return PgBouncer's program; None if there is none."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def postgres_programs() -> Path:
    """Return the result of `find_postgres`; raises MissingPrograms, which names the fix."""
    return _required(find_postgres(), "PostgreSQL")


def rabbitmq_programs() -> Path:
    """Return the result of `find_rabbitmq`; raises MissingPrograms, which names the fix."""
    return _required(find_rabbitmq(), "RabbitMQ")


def _required(place: Path | None, name: str) -> Path:
    if place is None:
        raise MissingPrograms(f"{name}'s server programs are not on this machine: {_ADVICE}")
    return place


def _named(variable: str, programs: tuple[str, ...]) -> Path | None:
    """Return the directory that a variable names; None where it is not set."""
    named = os.environ.get(variable)
    if not named:
        return None
    place = Path(named).absolute()
    if missing := [name for name in programs if not (place / name).is_file()]:
        raise MissingPrograms(f"{variable} is {place}, which has no {' and no '.join(missing)}")
    return place


def _postgres_places() -> Iterable[Path]:
    if (pg_config := shutil.which("pg_config")) and (named := _named_by(pg_config)):
        yield named
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from _newest_first(Path("/usr").glob("pgsql-*/bin"))
    for root in _HOMEBREW:
        yield from _newest_first(root.glob("opt/postgresql*/bin"))


@cache
def _named_by(pg_config: str) -> Path | None:
    """Return the directory that this program names; it is asked once, for each use of psql needs the answer."""
    done = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _rabbitmq_places() -> Iterable[Path]:
    yield from _newest_first(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
    yield Path("/usr/lib/rabbitmq/bin")
    for root in _HOMEBREW:
        yield root / "opt/rabbitmq/sbin"


def _newest_first(places: Iterable[Path]) -> list[Path]:
    return sorted(
        places, key=lambda place: [int(part) for part in re.findall(r"\d+", str(place))], reverse=True
    )


def _first_with(places: Iterable[Path], programs: tuple[str, ...]) -> Path | None:
    return next((place for place in places if all((place / name).is_file() for name in programs)), None)
