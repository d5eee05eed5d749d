"""PostgreSQL's own programs, run on a test's database."""

import re
import subprocess
from pathlib import Path

from deploy.local.instance import PROJECT
from deploy.local.programs import postgres_programs
from tests.support.patience import LONGEST_WAIT

SQL = PROJECT / "sql"


def run_file(url: str, file: Path) -> None:
    """Run a file as in the README: by psql, up to the first error, in one transaction if it allows one."""
    once = [] if file.read_text().startswith("-- no-transaction\n") else ["-1"]
    _run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *once, "-f", str(file), url)


def dump_schema(url: str) -> list[str]:
    """Return the lines of the database's schema, without comments, settings and psql's commands."""
    dump = _run("pg_dump", "--schema-only", "--no-owner", url)
    return [line for line in dump.splitlines() if not re.match(r"$|--|SET |\\|SELECT pg_catalog", line)]


def dump_everything(url: str) -> str:
    """Return a dump of the whole database: schema and rows."""
    return _run("pg_dump", url)


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(postgres_programs() / program), *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        env={"LC_ALL": "C", "PGOPTIONS": "-c client_min_messages=warning"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
