"""Sessions that are removed for their age are in a file before that, unchanged."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import orjson
import pyarrow.parquet
import pytest

from tests.integration.test_retention import LateSink, names, store, touched_ago, write
from tests.support.programs.command import run_command
from tests.support.servers.storages import storage_at
from worker.errors import SessionStoreError
from worker.store.storage import Storage
from worker.transfer import archiving
from worker.transfer.archiving import Archive, ArchiveFormat
from worker.transfer.retaining import Ages, RemovalCounts, Retainer
from worker.transfer.storing import DatabaseSink

AGES = ("--completed-days", "90", "--abandoned-days", "30")


@pytest.fixture
async def storage(database_url: str) -> AsyncIterator[Storage]:
    """Yield a storage with as few connections as the settings allow."""
    async with storage_at(database_url, 3) as storage:
        yield storage


@pytest.fixture
async def aged(storage: Storage, connection: asyncpg.Connection) -> None:
    await store(storage, write("done", completed=91), write("fresh", completed=89), write("left", 9))
    await touched_ago(connection, 31, "left")


def files_in(folder: Path) -> list[Path]:
    """Return the files of an archive in their order."""
    return sorted(folder.iterdir())


def lines_of(folder: Path) -> list[dict[str, dict[str, int]]]:
    """Return the events in all files of an archive."""
    text = b"".join(gzip.decompress(path.read_bytes()) for path in files_in(folder))
    return [orjson.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("aged")
async def test_what_went_can_be_imported_again_as_it_was(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    everything = (
        "SELECT session_id, player_id, encounter, state, started_at, completed_at, revision FROM sessions"
    )
    before = await connection.fetch(f"{everything} ORDER BY session_id")
    variables = {"DATABASE_URL": database_url}
    words = ("retain", *AGES, "--archive", str(tmp_path), "--archive-as", "ndjson.gz")
    done = run_command(*words, variables=variables)
    assert done.returncode == 0, done.stderr
    assert await names(connection) == ["fresh"]
    assert {path.stat().st_mode & 0o777 for path in files_in(tmp_path)} == {0o600}
    await connection.execute("DELETE FROM session_ledger WHERE outcome <> 'stored'")
    for path in files_in(tmp_path):
        assert run_command("import", "--source", str(path), variables=variables).returncode == 0
    assert await connection.fetch(f"{everything} ORDER BY session_id") == before


@pytest.mark.usefixtures("aged")
async def test_parquet_has_what_went_and_a_dry_run_writes_nothing(database_url: str, tmp_path: Path) -> None:
    words = ("retain", *AGES, "--archive", str(tmp_path))
    assert run_command(*words, "--dry-run", variables={"DATABASE_URL": database_url}).returncode == 0
    assert not files_in(tmp_path)
    assert run_command(*words, variables={"DATABASE_URL": database_url}).returncode == 0
    rows = [row for path in files_in(tmp_path) for row in pyarrow.parquet.read_table(path).to_pylist()]
    assert {(row["session_id"], row["revision"]) for row in rows} == {("done", 7), ("left", 9)}


async def test_a_session_that_changes_meanwhile_is_archived_as_it_is_or_not_at_all_and_stays(
    storage: Storage, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await store(storage, write("done", completed=91), write("woken", completed=91))
    archive = Archive(tmp_path, ArchiveFormat.NDJSON, storage.retention.read)
    removed = await Retainer(storage.retention, LateSink(storage), archive).run(Ages(90, None, None))
    assert removed == RemovalCounts(completed=1, changed=1)
    assert await names(connection) == ["woken"]
    assert sorted(event["data"]["revision"] for event in lines_of(tmp_path)) == [7, 7]


async def test_many_go_file_after_file(
    storage: Storage, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "FILE_SESSIONS", 500)
    await storage.writer.apply([[write(f"s{number:04}", completed=91) for number in range(1_100)]])
    archive = Archive(tmp_path, ArchiveFormat.NDJSON, storage.retention.read)
    sink = DatabaseSink(storage.writer, 5)
    removed = await Retainer(storage.retention, sink, archive).run(Ages(90, None, None))
    assert (removed, len(files_in(tmp_path))) == (RemovalCounts(completed=1_100), 3)
    assert len({str(event["subject"]) for event in lines_of(tmp_path)}) == 1_100
    assert await names(connection) == []


async def test_nothing_goes_that_could_not_be_written(
    storage: Storage, connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.transfer.target.os.fsync", fail)
    await store(storage, write("done", completed=91))
    archive = Archive(tmp_path, ArchiveFormat.PARQUET, storage.retention.read)
    retainer = Retainer(storage.retention, DatabaseSink(storage.writer, 5), archive)
    with pytest.raises(SessionStoreError, match="No space left on device"):
        await retainer.run(Ages(90, None, None))
    assert await names(connection) == ["done"]
    assert not files_in(tmp_path)


def test_an_archive_is_a_folder_that_is_there(tmp_path: Path) -> None:
    words = ("retain", *AGES, "--archive", str(tmp_path / "none"))
    refused = run_command(*words, variables={"DATABASE_URL": "postgresql://h/d"})
    assert (refused.returncode, "folder" in refused.stderr) == (2, True), refused.stderr
