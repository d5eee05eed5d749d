"""A Citus database from outside: `make test-citus CITUS_DSN=postgresql://…`; skipped without one."""

import asyncio
import os
from collections.abc import Iterator
from typing import Final

import asyncpg
import pytest

import sql
from tests.integration.conftest import connection
from worker.store.migrations import migrate

__all__ = ["connection"]

MARK: Final = "of the tests"
EMPTY: Final = "TRUNCATE sessions, session_ledger, session_erasures"
REMOVE: Final = """
    DROP TABLE IF EXISTS sessions, session_ledger, session_buckets CASCADE;
    DROP TABLE IF EXISTS session_erasures, session_totals, session_store_migrations CASCADE;
    DROP FUNCTION IF EXISTS apply_session_events, advance_ledger, ledger_entries, store_sessions, event_wins,
                            event_outcome, exact_session_stats, get_session_stats, session_bucket, session_seconds,
                            note_session_change, add_session_totals, refuse_lower_revision, refuse_older_session,
                            mark_erasure, delete_tombstones, delete_sessions, removed_since_erasure,
                            refuse_expecting_insertion, adopt_inserted_sessions CASCADE;
"""


@pytest.fixture(scope="session")
def citus() -> Iterator[str]:
    """Yield the URL of an empty Citus database, migrated and distributed; drops its tables afterwards."""
    url = os.environ.get("CITUS_DSN")
    if not url:
        pytest.skip("CITUS_DSN names no Citus database: Citus is in no package of this system")
    asyncio.run(_install(url))
    yield url
    asyncio.run(_run(url, REMOVE))


@pytest.fixture
async def database_url(citus: str) -> str:
    """Empty the Citus database and return its URL."""
    await _run(citus, EMPTY)
    return citus


async def _install(url: str) -> None:
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT obj_description(to_regclass('session_buckets'))") == MARK:
        await connection.execute(REMOVE)  # left by a run that was killed
    there = await connection.fetchval("SELECT to_regclass('sessions')")
    await connection.close()
    assert there is None, "the database that CITUS_DSN names has sessions; the tests want an empty one"
    await migrate(url)
    await _run(url, sql.script("citus/distribute"))
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
