"""A database without transaction ids left: a real one, whose vacuum fails on a table."""

import asyncio
import subprocess
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from deploy.local.postgres import PostgresServer, give, server_user
from deploy.local.programs import postgres_programs
from tests.support.patience import LONGEST_WAIT
from tests.support.selection import long
from tests.support.servers.storages import storage_at
from worker.errors import StorageUnavailable
from worker.retry import retry, within
from worker.store.migrations import migrate
from worker.store.rows import EventRow
from worker.store.storage import Storage

LIMIT: Final = 2**31 - 3_000_000
"""The distance from the oldest transaction at which PostgreSQL assigns no more ids."""

PAGES_OF_A_SEGMENT: Final = 32
SEGMENT: Final = 8192 * 4 * PAGES_OF_A_SEGMENT
OLDEST: Final = "SELECT min(datfrozenxid::text::bigint) FROM pg_database"
HELD: Final = "held_back"


def spend_transaction_ids(server: PostgresServer, left: int) -> Path:
    """Restart the server with this many transaction ids left; return the moved file that vacuum lacks."""
    server.create_database(HELD)
    server.psql("CREATE TABLE held AS SELECT 1 AS one; CHECKPOINT", HELD)
    data = Path(server.psql("SHOW data_directory"))
    table = data / server.psql("SELECT pg_relation_filepath('held')", HELD)
    newest = int(server.psql(OLDEST)) + LIMIT - left
    server.stop()
    moved = table.rename(table.with_suffix(".moved"))
    segment = data / "pg_xact" / f"{newest // SEGMENT:04X}"
    segment.write_bytes(bytes(8192 * PAGES_OF_A_SEGMENT))
    give(segment)
    program = str(postgres_programs() / "pg_resetwal")
    subprocess.run([program, "-x", str(newest), "-D", str(data)], check=True, user=server_user(), cwd="/")
    server.start()
    return moved


@pytest.fixture
async def database_at_its_limit(own_postgres: PostgresServer) -> tuple[str, Path]:
    """Return the URL of a database with 20 transaction ids left, and the file that vacuum lacks."""
    url = own_postgres.create_database("sessions")
    await migrate(url)
    return url, await asyncio.to_thread(spend_transaction_ids, own_postgres, 20)


@long("a server is brought to its limit, and vacuumed")
async def test_a_database_without_transaction_ids_refuses_no_content(
    own_postgres: PostgresServer, database_at_its_limit: tuple[str, Path]
) -> None:
    url, moved = database_at_its_limit
    async with storage_at(url) as storage:
        with pytest.raises(StorageUnavailable, match="refuses every event, SQLSTATE 54000"):
            await write_for_ever(storage)
        moved.rename(moved.with_suffix(""))
        for name in (HELD, "template1", "postgres", "sessions"):
            await asyncio.to_thread(own_postgres.psql, "VACUUM (FREEZE, TRUNCATE off)", name)
        again = retry(lambda: storage.writer.apply([[write(50)]]), StorageUnavailable, within(LONGEST_WAIT))
        (applied,) = await again  # the server itself vacuums template0
    assert applied["sess 50"].outcome == "stored"


async def write_for_ever(storage: Storage) -> None:
    """Write without end; raise the writer's errors."""
    while True:
        await storage.writer.apply([[write(0)]])


def write(number: int) -> EventRow:
    """Return a write."""
    content = {
        "player_id": "player",
        "encounter": b"{}",
        "state": b"{}",
        "started_at": "2026-01-01T00:00:00Z",
    }
    return EventRow(f"sess {number}", 1, uuid4(), None, is_delete=False, **content)  # type: ignore[arg-type]
