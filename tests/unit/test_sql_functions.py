"""The order law is defined once: a function is one file, which a migration includes as it is."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from sql import migration_files, script

SQL: Final = Path(__file__).parents[2] / "sql"
FUNCTIONS: Final = SQL / "functions"
NAMES: Final = sorted(str(path.relative_to(FUNCTIONS).with_suffix("")) for path in FUNCTIONS.rglob("*.sql"))
DEFINITION: Final = re.compile(r"^ *CREATE (?:OR REPLACE )?FUNCTION (\w+)", re.MULTILINE)
INCLUDE: Final = re.compile(r"^-- ([0-9a-f]{16})\n\\ir \.\./functions/([\w/]+)\.sql$", re.MULTILINE)
INCLUDED: Final = re.compile(r"^\\ir \.\./functions/", re.MULTILINE)


def digests_of(name: str) -> Iterator[str]:
    """Yield the digests of a function in the migrations that include it, oldest first."""
    for file in migration_files():
        text = (SQL / "migrations" / f"{file.version:04}_{file.name}.sql").read_text()
        yield from (digest for digest, included in INCLUDE.findall(text) if included == name)


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_migration_with_a_function_has_it_as_it_is(name: str) -> None:
    digest = hashlib.sha256((FUNCTIONS / f"{name}.sql").read_bytes()).hexdigest()[:16]
    wanted = f"-- {digest}\n\\ir ../functions/{name}.sql"
    assert [*digests_of(name)][-1:] == [digest], f"include it again from a new migration:\n{wanted}"


def test_every_include_of_a_function_has_its_digest() -> None:
    for path in (SQL / "migrations").glob("*.sql"):
        assert len(INCLUDED.findall(path.read_text())) == len(INCLUDE.findall(path.read_text())), path.name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_the_function_of_its_name_and_no_other(name: str) -> None:
    assert DEFINITION.findall(script(f"functions/{name}")) == [name.rpartition("/")[2]]


def test_the_order_law_stands_once() -> None:
    texts = [path.read_text() for path in SQL.rglob("*.sql")]
    for name in ("apply_session_events", "event_wins", "event_outcome"):
        assert sum(DEFINITION.findall(text).count(name) for text in texts) == 1


def test_what_citus_needs_a_text_of_its_own_for_decides_as_the_shared_one() -> None:
    for name in ("advance_ledger", "store_sessions"):
        assert conflict_of(f"citus/{name}") == conflict_of(name)
    assert conflict_of("partitioned/store_sessions") == [
        line for line in conflict_of("store_sessions") if line != "started_at = excluded.started_at,"
    ]


def conflict_of(name: str) -> list[str]:
    """Return the lines by which an insertion changes an existing row, without the conflicting key."""
    text = script(f"functions/{name}")
    (conflict,) = re.findall(r"ON CONFLICT \([^)]*\) DO UPDATE\s+SET (.*?)(?:;|\n *LOOP)", text, re.DOTALL)
    return [line.strip() for line in conflict.partition("\n    )\n")[0].splitlines()]
