"""Imported sessions are in the order that the engine's file storage had: not that of the import."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from contracts.client import SessionStore
from contracts.requests import Filter, QueryOptions
from tests.acceptance.test_import import CLOCK, import_from, write_live
from tests.support.events.session_files import SAMPLES, session_of, write_session
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.servers.layouts import on_both_layouts

FILE_STORAGE_SORTS: dict[str, Callable[[dict[str, str]], str]] = {
    "createdAt": lambda session: session["startedAt"],
    "updatedAt": lambda session: session.get("completedAt") or session["startedAt"],
    "completedAt": lambda session: session["completedAt"],
}
"""The keys that the file storage sorts by; all times are text of the same form."""


@on_both_layouts
@pytest.mark.parametrize("via", ["database", "queue"])
async def test_imported_sessions_are_in_the_order_that_the_file_storage_had(
    installation: Variables, start_replica: StartReplica, via: str
) -> None:
    await start_replica()
    await import_from(SAMPLES, installation, "--via", via, status=1)
    samples = [json.loads(path.read_text()) for path in SAMPLES.glob("sess_" + "?" * 32 + ".json")]
    async with SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    ) as store:
        for sort, key in FILE_STORAGE_SORTS.items():
            wanted = [sample["sessionId"] for sample in sorted(samples, key=key)]
            for order, ids in (("asc", wanted), ("desc", wanted[::-1])):
                options = QueryOptions.model_validate({"sortBy": sort, "sortOrder": order})
                found = [record.session.session_id async for record in store.iterate(Filter(), options)]
                assert found == ids, (sort, order)
        async for record in store.iterate():
            assert (record.created_at, record.updated_at) == (
                record.session.started_at,
                record.session.completed_at,
            )


async def test_a_session_that_is_played_on_after_the_import_was_played_last(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    for session in (session_of(1), session_of(2, completedAt=None)):
        write_session(tmp_path, session)
    await import_from(tmp_path, {"DATABASE_URL": database_url})
    times = (
        "SELECT session_id, updated_at = coalesce(completed_at, started_at) AS own FROM sessions ORDER BY 1"
    )
    assert [row["own"] for row in await connection.fetch(times)] == [True, True]
    async with connection.transaction():
        await write_live(connection, session_of(1), CLOCK * 2, str(uuid4()))
        assert await connection.fetchval(
            "SELECT updated_at = now() FROM sessions ORDER BY session_id LIMIT 1"
        )


async def test_the_events_of_an_export_come_back_with_their_times(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    variables, lines = {"DATABASE_URL": database_url}, tmp_path / "sessions.ndjson"
    await write_live(connection, session_of(0), CLOCK + 1, str(uuid4()))
    times = "SELECT session_id, date_trunc('milliseconds', updated_at) FROM sessions"
    before = await connection.fetch(times)
    await asyncio.to_thread(run_command, "export", "--to", str(lines), variables=variables)
    await connection.execute("TRUNCATE sessions, session_ledger")
    assert (await import_from(lines, variables))["imported"] == 1
    assert await connection.fetch(times) == before
