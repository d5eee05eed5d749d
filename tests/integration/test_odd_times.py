"""Rows with times that no answer can express break nothing: an answer has the nearest possible time."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

import asyncpg
import orjson
import pyarrow.parquet
import pytest

from contracts.requests import Filter, QueryOptions
from tests.support.programs.command import run_command
from tests.support.servers.layouts import on_both_layouts, on_layout
from tests.support.servers.storages import storage_at
from worker.store.conversion import convert
from worker.store.layout import PARTITIONED, PartitionInterval, Plan, layout_connection, read_layout
from worker.store.records import Record
from worker.store.storage import Storage

pytestmark = on_both_layouts

MOMENTS: Final = (
    "-infinity",
    "4713-01-01 00:00:00Z BC",
    "0001-12-31 23:59:59Z BC",
    "2025-11-07 10:30:00Z",
    "9999-12-31 23:59:59.999999Z",
    "10000-01-01 00:00:00Z",
    "294276-12-31 23:59:59Z",
    "infinity",
)
FIRST: Final = "0001-01-01T00:00:00.000Z"
LAST: Final = "9999-12-31T23:59:59.999999Z"
ANSWERED: Final = (FIRST, FIRST, FIRST, "2025-11-07T10:30:00.000Z", LAST, LAST, LAST, LAST)
IDS: Final = [f"{name} {number}" for number in range(len(MOMENTS)) for name in ("one", "two")]
"""In the order of their times; two of each moment, so that a page can end between them."""

INSERT: Final = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, created_at, updated_at)
    SELECT name || ' ' || (place - 1), 'p', '{}', '{}', moment, moment, moment, moment
      FROM unnest($1::text[]::timestamptz[]) WITH ORDINALITY AS odd (moment, place),
           unnest(ARRAY['one', 'two']) AS name
"""
SORTS: Final = ("createdAt", "updatedAt", "completedAt")
Order = Literal["asc", "desc"]


@pytest.fixture
async def storage(database_url: str, connection: asyncpg.Connection) -> AsyncIterator[Storage]:
    """Yield a storage with the odd rows."""
    await connection.execute(INSERT, MOMENTS)
    async with storage_at(database_url) as storage:
        await storage.refresh_layout()
        yield storage


def times_of(record: Record | None) -> set[object]:
    """Return the different times of a record."""
    assert record is not None
    document = orjson.loads(orjson.dumps(record))
    session = document["session"]
    return {document["createdAt"], document["updatedAt"], session["startedAt"], session["completedAt"]}


async def test_a_read_answers_the_nearest_time(storage: Storage) -> None:
    records = [
        *[await storage.reader.read(session_id, 5) for session_id in IDS],
        *await storage.reader.read_many(IDS, 5),
        *[(await storage.reader.read_since(session_id, 1, 5)).record for session_id in IDS],
    ]
    wanted = [{answered} for answered in ANSWERED for _ in range(2)]
    assert [times_of(record) for record in records] == wanted * 3


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_have_each_of_them_once_and_in_order(
    storage: Storage, sort: str, order: Order, limit: int
) -> None:
    found: list[object] = []
    options = QueryOptions.model_validate({"sortBy": sort, "sortOrder": order, "limit": limit})
    while True:
        page = await storage.reader.query(Filter(), options, 5)
        for record in page.records:
            found.append(orjson.loads(orjson.dumps(record))["session"]["sessionId"])
        if page.next_cursor is None:
            break
        options = options.model_copy(update={"cursor": page.next_cursor})
    pairs = [IDS[start : start + 2] for start in range(0, len(IDS), 2)]
    assert found == [session_id for pair in (pairs if order == "asc" else pairs[::-1]) for session_id in pair]


async def test_counts_and_statistics_count_them(storage: Storage, connection: asyncpg.Connection) -> None:
    assert await storage.reader.count(Filter(player_id="p"), 5) == len(IDS)
    for player in (None, "p"):
        stats = await storage.reader.stats(player, 5)
        assert (stats["completedSessions"], stats["avgCompletionTimeSeconds"]) == (len(IDS), 0)
    await connection.execute("UPDATE sessions SET completed_at = NULL")
    durations = "SELECT count(*), count(duration_seconds) FROM active_sessions"
    assert tuple(await connection.fetchrow(durations) or ()) == (len(IDS), len(IDS) - 4)


@pytest.mark.usefixtures("storage")
async def test_an_export_has_them_and_imports_back(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    variables = {"DATABASE_URL": database_url}
    for name in ("sessions", "sessions.ndjson", "sessions.parquet"):
        done = run_command("export", "--to", str(tmp_path / name), variables=variables)
        assert done.returncode == 0, done.stderr
    lines = [orjson.loads(line) for line in (tmp_path / "sessions.ndjson").read_bytes().splitlines()]
    assert {line["data"]["session"]["startedAt"] for line in lines} == set(ANSWERED)
    assert pyarrow.parquet.read_table(tmp_path / "sessions.parquet").num_rows == len(IDS)
    await connection.execute("TRUNCATE sessions, session_ledger")
    done = run_command("import", "--source", str(tmp_path / "sessions.ndjson"), variables=variables)
    assert done.returncode == 0, done.stderr
    assert await connection.fetchval("SELECT count(*) FROM sessions") == len(IDS)


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize("archive_format", ["ndjson.gz", "parquet"])
async def test_an_archive_has_those_that_go(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path, archive_format: str
) -> None:
    words = ("retain", "--completed-days", "1", "--archive", str(tmp_path), "--archive-as", archive_format)
    done = run_command(*words, variables={"DATABASE_URL": database_url})
    assert done.returncode == 0, done.stderr
    left = await connection.fetch("SELECT session_id FROM sessions")
    assert {row[0] for row in left} == set(IDS[8:])


@on_layout("plain")
@pytest.mark.usefixtures("storage")
async def test_the_table_can_be_partitioned_with_them(
    database_url: str, connection: asyncpg.Connection
) -> None:
    async with layout_connection(database_url) as other:
        await convert(other, Plan(PartitionInterval.YEAR, least=1))
    assert await read_layout(connection) == PARTITIONED
    assert await connection.fetchval("SELECT count(*) FROM sessions") == len(IDS)
