"""Writes `sql/schema.sql`, the result of the migrations on an empty database: `python -m deploy.schema [--check]`."""

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from deploy.generated import write_or_check
from deploy.local.postgres import PostgresServer
from deploy.local.programs import postgres_programs
from worker.store.migrations import migrate

PAGE: Final = Path(__file__).parents[1] / "sql" / "schema.sql"
MAJOR: Final = 15
"""The PostgreSQL whose pg_dump writes the page; others word a view or a condition differently."""

HEAD: Final = """\
-- The whole schema on one page: the result of all migrations on an empty database, in the schema `public`. It is for
-- reading, and for psql. The migrations prepare a database for use, because they also record themselves.
--
-- `make schema` writes this file; a test compares it with the migrations.

SET check_function_bodies = false;
"""
HEADING: Final = re.compile(r"^--\n-- Name: .*?; Type: ([A-Z ]+);.*\n--\n", re.MULTILINE)
NOISE: Final = re.compile(
    r"^(?:--|SET |SELECT pg_catalog\.set_config|\\|ALTER TABLE ONLY \S+ ALTER COLUMN \w+ SET COMPRESSION ).*\n",
    re.MULTILINE,
)
"""The lines that the page leaves out; compression.sql sets the compression of columns on each server."""


def main(words: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; returns the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        server = PostgresServer(Path(directory) / "postgres")
        server.start()
        try:
            url = server.create_database("schema")
            asyncio.run(migrate(url))
            return write_or_check(PAGE, page_of(url), words)
        finally:
            server.erase()


def page_of(url: str) -> str:
    """Return the page of a migrated database: its dump, with each function's own file in the place of its body."""
    pg_dump = postgres_programs() / "pg_dump"
    done = subprocess.run(
        [str(pg_dump), "--schema-only", "--no-owner", url], check=True, capture_output=True, text=True
    )
    return "\n\n".join([HEAD.strip(), *_sections(done.stdout), "\\ir compression.sql"]) + "\n"


def _sections(dump: str) -> Iterator[str]:
    functions = "\n".join(
        f"\\ir functions/{file.name}" for file in sorted(PAGE.parent.glob("functions/*.sql"))
    )
    _, *parts = HEADING.split(dump)
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        if kind in ("FUNCTION", "ACL"):  # what a function's file says
            continue
        if kind == "TRIGGER" and functions:
            yield functions
            functions = ""
        yield NOISE.sub("", text).replace("public.", "").strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
