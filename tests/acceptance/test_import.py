"""`session-store import`, as somebody who moves from another storage runs it."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from contracts.client import SessionStore
from tests.support.events.session_files import SAMPLES, session_of, write_session, write_sessions
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.memory import read_kilobytes
from tests.support.programs.replica import PROGRAM

CHUNK_FILES = 250
CLOCK = 1_762_511_400_000_000  # 2025-11-07T10:30:00Z in microseconds


async def import_from(
    source: Path | str, variables: Variables, *options: str, status: int = 0
) -> dict[str, int]:
    """Import, and return the counts."""
    words = ("import", "--source", str(source), "--json", *options)
    done = await asyncio.to_thread(run_command, *words, variables=variables)
    assert done.returncode == status, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    assert counts.pop("dryRun") == ("--dry-run" in options)
    assert counts["found"] == sum(counts.values()) - counts["found"]
    return counts


async def dump(connection: asyncpg.Connection) -> Sequence[object]:
    """Return everything that is stored."""
    return [
        await connection.fetch("SELECT * FROM sessions ORDER BY session_id"),
        await connection.fetch("SELECT * FROM session_ledger ORDER BY session_id"),
        await connection.fetch("SELECT * FROM get_session_stats()"),
    ]


async def write_live(
    connection: asyncpg.Connection, session: dict[str, object], revision: int, event_id: str
) -> None:
    """Store a session as a worker does for an engine."""
    await connection.execute(
        "SELECT apply_session_events(ARRAY[$1], ARRAY[$2::bigint], ARRAY[$3::uuid], ARRAY[NULL::bigint],"
        " ARRAY[false], ARRAY['live'], ARRAY['{}'], ARRAY['{}'], ARRAY[NULL], ARRAY[now()],"
        " ARRAY[NULL::timestamptz])",
        session["sessionId"],
        revision,
        event_id,
    )


async def test_the_samples_are_imported_twice_with_the_same_database_after(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    variables, report = {"DATABASE_URL": database_url}, tmp_path / "refused.ndjson"
    counts = await import_from(SAMPLES, variables, "--report", str(report), status=1)
    parts = {"found": 88, "unchanged": 0, "superseded": 0, "refused": 4, "skipped": 1}
    assert counts == {**parts, "imported": 83}
    refused = {line["file"]: line["code"] for line in map(json.loads, report.read_text().splitlines())}
    assert refused == {
        "sess_empty.json": "empty",
        "sess_no_player.json": "bad_schema",
        "sess_truncated.json": "cut_off",
        "sess_wrong_name.json": "wrong_name",
    }
    before = await dump(connection)
    assert await import_from(SAMPLES, variables, status=1) == {**parts, "imported": 0, "unchanged": 83}
    assert await dump(connection) == before


async def test_what_an_engine_wrote_since_is_kept_and_what_it_wrote_before_is_replaced(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    sessions = [session_of(number, completedAt=None) for number in range(4)]
    for session in sessions:
        write_session(tmp_path, session)
    for session, revision in zip(sessions, (CLOCK + 1, CLOCK, CLOCK - 1), strict=False):
        await write_live(connection, session, revision, str(uuid4()))
    counts = await import_from(tmp_path, {"DATABASE_URL": database_url})
    assert (counts["superseded"], counts["imported"]) == (2, 2)
    players = await connection.fetch("SELECT player_id FROM sessions ORDER BY session_id")
    assert [row[0] for row in players] == ["live", "live", "player_2", "player_3"]


async def test_a_dry_run_tells_what_would_be_and_changes_nothing(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    variables = {"DATABASE_URL": database_url}
    folder = write_sessions(tmp_path / "sessions", 3)
    await write_live(connection, session_of(0), CLOCK * 2, str(uuid4()))
    before = await dump(connection)
    foretold = await import_from(folder, variables, "--dry-run")
    assert (foretold["imported"], foretold["superseded"]) == (2, 1)
    assert await dump(connection) == before
    assert await import_from(folder, variables) == foretold


def start_import(folder: Path, variables: Variables) -> subprocess.Popen[bytes]:
    """Start an import of a folder, without its output."""
    return subprocess.Popen(
        [PROGRAM, "import", "--source", str(folder)],
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@asynccontextmanager
async def importing(
    connection: asyncpg.Connection, folder: Path, count: int, variables: Variables
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Yield an import that waits for the first session's lock, and has stored all chunks but that one's."""
    async with connection.transaction():
        await write_live(connection, session_of(0), 1, str(uuid4()))
        process = start_import(folder, variables)
        try:
            while await connection.fetchval("SELECT count(*) FROM session_ledger") <= count - CHUNK_FILES:
                assert process.poll() is None
                await asyncio.sleep(0.02)
            yield process
        finally:
            process.kill()
            process.wait()
            await connection.execute(  # its server process would still finish the statement
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'session-store%'"
            )


async def test_an_import_that_was_killed_is_resumed_by_running_it_again(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    count, variables = 1_500, {"DATABASE_URL": database_url}
    folder = write_sessions(tmp_path / "sessions", count)
    async with importing(connection, folder, count, variables):
        pass
    stored = await connection.fetchval("SELECT count(*) FROM sessions")
    assert stored == count - CHUNK_FILES + 1  # and the session that it waited for
    counts = await import_from(folder, variables)
    assert (counts["imported"], counts["unchanged"]) == (CHUNK_FILES, count - CHUNK_FILES)
    assert await connection.fetchval("SELECT count(*) FROM sessions") == count


async def test_memory_does_not_grow_with_the_number_of_files(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    most = []
    for count in (5_000, 20_000):
        folder = write_sessions(tmp_path / f"{count}", count)
        async with importing(connection, folder, count, {"DATABASE_URL": database_url}) as process:
            most.append(read_kilobytes(process.pid, "VmHWM"))
        await connection.execute("TRUNCATE sessions, session_ledger")
    assert most[1] < most[0] + 20_000


async def test_lines_are_imported_from_a_file_and_from_standard_input(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    lines = "".join(json.dumps(session_of(number)) + "\n" for number in range(3))
    path = tmp_path / "sessions.ndjson"
    path.write_text(lines + '{"sessionId":\n')
    counts = await import_from(path, {"DATABASE_URL": database_url}, status=1)
    assert (counts["imported"], counts["refused"]) == (3, 1)
    variables = {"DATABASE_URL": database_url}
    done = await asyncio.to_thread(run_command, "import", "--source", "-", variables=variables, stdin=lines)
    assert "unchanged   3" in done.stdout
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 3


async def test_sessions_over_1_mib_come_by_the_queue_where_the_limit_is_greater(
    installation: Variables, start_replica: StartReplica, tmp_path: Path
) -> None:
    installation["SESSION_STORE_BODY_LIMIT"] = "2000000"
    await start_replica()
    path = tmp_path / "sessions.ndjson"
    path.write_text(json.dumps({**session_of(1), "notes": "x" * 1_500_000}) + "\n")
    assert (await import_from(path, installation, "--via", "queue"))["imported"] == 1


async def test_a_running_worker_imports_what_comes_by_the_queue(
    installation: Variables,
    connection: asyncpg.Connection,
    start_replica: StartReplica,
) -> None:
    await start_replica()
    variables = {name: value for name, value in installation.items() if name != "DATABASE_URL"}
    counts = await import_from(SAMPLES, variables, "--via", "queue", status=1)
    assert (counts["imported"], counts["refused"]) == (83, 4)
    before = await dump(connection)
    counts = await import_from(SAMPLES, variables, "--via", "queue", status=1)
    assert (counts["imported"], counts["unchanged"]) == (0, 83)
    counts = await import_from(SAMPLES, {"DATABASE_URL": installation["DATABASE_URL"]}, status=1)
    assert (counts["imported"], counts["unchanged"]) == (0, 83)
    assert await dump(connection) == before
    async with SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    ) as store:
        async for record in store.iterate():
            session = record.session.model_dump(by_alias=True, exclude_unset=True, mode="json")
            assert session == json.loads((SAMPLES / f"{session['sessionId']}.json").read_text())


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--source", "/nowhere"), 2),
        (("--source", "/", "--dry-run", "--via", "queue"), 2),
        (("--source", "/", "--report", "/nowhere/at/all"), 2),
        (("--source", str(SAMPLES), "--database-url", "postgresql://u@127.0.0.1:1/d"), 75),
    ],
)
def test_an_import_that_cannot_begin_says_why(options: Sequence[str], status: int) -> None:
    done = run_command("import", *options, variables={"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"})
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_without_the_schema_is_not_touched(empty_database_url: str) -> None:
    variables = {"DATABASE_URL": empty_database_url}
    done = run_command("import", "--source", str(SAMPLES), variables=variables)
    assert done.returncode == 78, done.stderr
    assert "session-store migrate" in done.stderr
