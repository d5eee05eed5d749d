"""A database that has no transaction ids left: a real one, whose vacuum fails on a table."""

import asyncio
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.postgres import PostgresServer, give, server_user
from deploy.local.programs import postgres_programs
from tests.support.selection import long
from tests.support.stage.stage import Stage

LIMIT: Final = 2**31 - 3_000_000
"""Transactions after the oldest one at which PostgreSQL assigns no more ids."""

PAGES_OF_A_SEGMENT: Final = 32
SEGMENT: Final = 8192 * 4 * PAGES_OF_A_SEGMENT
OLDEST: Final = "SELECT min(datfrozenxid::text::bigint) FROM pg_database"
HELD: Final = "held_back"


def spend_transaction_ids(server: PostgresServer, left: int) -> Path:
    """Have the server started with so many transaction ids left; return the moved file that vacuum lacks."""
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


@long("a server is brought to its limit, and vacuumed")
@pytest.mark.timeout(300)
async def test_a_database_without_transaction_ids_is_waited_for(stage: Stage) -> None:
    replica = await stage.start_replica({"SESSION_STORE_PATIENCE_S": "1"})
    await stage.probe()
    moved = await asyncio.to_thread(spend_transaction_ids, stage.postgres, 20)
    publishing = asyncio.create_task(stage.publish(1000))
    line = await replica.logged("consuming.paused")
    reasons = {line["reason"] for line in replica.log if line["event"] == "storage.unavailable"}
    assert "refuses every event, SQLSTATE 54000" in reasons, line
    await publishing
    moved.rename(moved.with_suffix(""))
    for name in (HELD, "template1", "postgres", stage.database):
        await asyncio.to_thread(stage.postgres.psql, "VACUUM (FREEZE, TRUNCATE off)", name)
    await stage.probe()
    report = await stage.finish()
    assert report.is_clean, report
