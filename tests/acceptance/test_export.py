"""`session-store export`: the written files import back equal."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pyarrow.parquet
import pytest

from contracts.requests import Filter
from tests.support.events.session_files import SAMPLES, session_of, write_session
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.servers.storages import storage_at

SESSIONS = (
    "SELECT session_id, player_id, encounter, state, extra, started_at, completed_at"
    " FROM sessions ORDER BY session_id"
)
EVENTS = "SELECT session_id, revision, event_id, outcome FROM session_ledger ORDER BY session_id"


async def run(*words: str, variables: Variables, status: int = 0) -> str:
    """Run a command and return its output."""
    done = await asyncio.to_thread(run_command, *words, variables=variables)
    assert done.returncode == status, done.stderr
    return done.stdout


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def filled(database_url: str, tmp_path: Path) -> Variables:
    """Return the variables of a database with the samples and some odd sessions."""
    variables = {"DATABASE_URL": database_url}
    path = tmp_path / "filling.ndjson"
    sessions = [
        *(json.loads(sample.read_text()) for sample in SAMPLES.glob("sess_" + "?" * 32 + ".json")),
        session_of(1, completedAt=None, note={"a": [1e300, 0.1, 2**53], "b": None}),
        {**session_of(2), "completedAt": None},
        session_of(3, startedAt="0001-01-01T00:00:00Z", completedAt="9999-12-31T23:59:59.999999Z"),
        session_of(4, sessionId="Зоя 🧂 %2F", state={"": {"\\": "\x1f\u2028"}}),
    ]
    path.write_text("".join(json.dumps(session) + "\n" for session in sessions))
    await run("import", "--source", str(path), variables=variables)
    path.unlink()
    return variables


@pytest.fixture
async def other(empty_database_url: str) -> AsyncIterator[tuple[Variables, asyncpg.Connection]]:
    """Yield another database, migrated and empty, and a connection to it."""
    variables = {"DATABASE_URL": empty_database_url}
    await run("migrate", variables=variables)
    connection = await asyncpg.connect(empty_database_url)
    yield variables, connection
    await connection.close()


async def test_what_is_exported_imports_back_equal(
    filled: Variables,
    other: tuple[Variables, asyncpg.Connection],
    connection: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    variables, imported = other
    for name in ("sessions", "sessions.ndjson", "sessions.ndjson.gz"):
        target = str(tmp_path / name)
        counts = json.loads(await run("export", "--to", target, "--json", variables=filled))
        assert counts == {"exported": 87, "refused": 0}
        await imported.execute("TRUNCATE sessions, session_ledger")
        await run("import", "--source", target, variables=variables)
        assert await imported.fetch(SESSIONS) == await connection.fetch(SESSIONS)
    assert await imported.fetch(EVENTS) == await connection.fetch(EVENTS)
    again = json.loads(await run("import", "--source", target, "--json", variables=filled))
    assert again["unchanged"] == 87


async def test_parquet_has_a_row_for_each_session(
    filled: Variables, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    target = tmp_path / "sessions.parquet"
    await run("export", "--to", str(target), variables=filled)
    rows = {row["session_id"]: row for row in pyarrow.parquet.read_table(target).to_pylist()}
    for stored in await connection.fetch(SESSIONS):
        row = rows.pop(stored["session_id"])
        assert {name: row[name] for name in dict(stored)} == dict(stored)
    assert not rows


async def test_a_filter_leaves_sessions_out(filled: Variables, tmp_path: Path) -> None:
    target = tmp_path / "hard.ndjson"
    await run("export", "--to", str(target), "--active", "--difficulty", "hard", variables=filled)
    sessions = [json.loads(line)["data"]["session"] for line in target.read_text().splitlines()]
    assert {session["sessionId"] for session in sessions} == {"sess_000001", "sess_000002"}


async def test_an_id_that_is_no_name_of_a_file_is_named_and_the_others_are_written(
    database_url: str, tmp_path: Path
) -> None:
    variables = {"DATABASE_URL": database_url}
    ids = ("a/b", "..", "ä" * 126, "plain")
    lines = tmp_path / "sessions.ndjson"
    lines.write_text("".join(json.dumps(session_of(1, sessionId=name)) + "\n" for name in ids))
    await run("import", "--source", str(lines), variables=variables)
    await run("export", "--to", str(tmp_path / "out"), variables=variables, status=1)
    assert names_in(tmp_path / "out") == ["plain.json"]


async def test_what_is_there_is_never_written_over(filled: Variables, tmp_path: Path) -> None:
    write_session(tmp_path, session_of(1))
    for target in (tmp_path, tmp_path / "sess_000001.json"):
        await run("export", "--to", str(target), variables=filled, status=2)
    (tmp_path / "empty").mkdir()
    await run("export", "--to", str(tmp_path / "empty"), "--player", "player_1", variables=filled)
    assert sorted(names_in(tmp_path)) == ["empty", "sess_000001.json"]


async def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    variables = {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}
    await run("export", "--to", str(tmp_path / "a.ndjson"), variables=variables, status=75)
    assert not names_in(tmp_path)


async def test_what_is_written_meanwhile_is_not_in_the_export(
    filled: Variables, connection: asyncpg.Connection
) -> None:
    async with storage_at(filled["DATABASE_URL"], 3) as storage:
        portions = storage.snapshot.read(Filter())
        found = await anext(portions)
        await connection.execute("DELETE FROM sessions")
        found += [session async for portion in portions for session in portion]
    assert len({session.session_id for session in found}) == 87
