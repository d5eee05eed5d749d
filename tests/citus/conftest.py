"""A Citus database that somebody has at hand: `make test-citus CITUS_DSN=postgresql://…`; skipped without one."""

import asyncio
import os
from collections.abc import Iterator
from typing import Final

import asyncpg
import pytest

from deploy.local.instance import PROJECT
from tests.integration.conftest import connection
from worker.store.migrations import migrate

__all__ = ["connection"]

SCRIPTS: Final = ("distribute", "apply_session_events")
MARK: Final = "of the tests"
EMPTY: Final = "TRUNCATE sessions, session_ledger, session_erasures"
REMOVE: Final = """
    DROP TABLE IF EXISTS sessions, session_ledger, session_buckets CASCADE;
    DROP TABLE IF EXISTS session_erasures, session_totals, session_store_migrations CASCADE;
    DROP FUNCTION IF EXISTS apply_session_events, apply_session_events_of, get_session_stats, session_bucket,
                            session_seconds, note_session_change, add_session_totals, refuse_lower_revision,
                            refuse_older_session, mark_erasure, remove_markers, delete_sessions,
                            removed_since_erasure, refuse_expecting_insertion CASCADE;
"""


@pytest.fixture(scope="session")
def citus() -> Iterator[str]:
    """Yield the URL of an empty Citus database that is migrated and distributed, and emptied again."""
    url = os.environ.get("CITUS_DSN")
    if not url:
        pytest.skip("CITUS_DSN names no Citus database: Citus is in no package of this system")
    asyncio.run(_install(url))
    yield url
    asyncio.run(_run(url, REMOVE))


@pytest.fixture
async def database_url(citus: str) -> str:
    """Return the Citus database, with nothing in it."""
    await _run(citus, EMPTY)
    return citus


async def _install(url: str) -> None:
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT obj_description(to_regclass('session_buckets'))") == MARK:
        await connection.execute(REMOVE)  # a run that was killed left it
    there = await connection.fetchval("SELECT to_regclass('sessions')")
    await connection.close()
    assert there is None, "the database that CITUS_DSN names has sessions; the tests want an empty one"
    await migrate(url)
    for script in SCRIPTS:
        await _run(url, (PROJECT / "sql" / "citus" / f"{script}.sql").read_text(encoding="utf-8"))
    await _run(url, f"COMMENT ON TABLE session_buckets IS '{MARK}'")


async def _run(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(text)
    finally:
        await connection.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rates."""
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, value in report.user_properties:
            if name == "events_per_second":
                terminalreporter.write_line(f"{value[1]:>8,} events/s  {value[0]}")
