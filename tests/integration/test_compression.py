"""The database compresses the content of sessions by lz4 where the server has it."""

import json
import random

import asyncpg
import pytest

from tests.support.programs.patient import examine, follow
from tests.support.servers.layouts import on_both_layouts
from tests.support.servers.postgres_programs import SQL, run_file
from worker.doctor.database.schema import check_compression
from worker.doctor.finding import State
from worker.store.examination.database import ExaminedDatabase

pytestmark = on_both_layouts

HAS_LZ4 = """
    SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))
"""
METHODS = "SELECT DISTINCT pg_column_compression(encounter) FROM sessions ORDER BY 1"
ADD = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at)
    SELECT $1 || started, 'player', $2, '{}', started
      FROM unnest('{2020-02-02Z,2025-12-05Z,2026-03-05Z}'::timestamptz[]) AS started
"""
WORDS = random.Random(7).choices(["the", "cargo", "has", "gone", "missing"], k=2000)
PROSE = json.dumps({"text": " ".join(WORDS)})


@pytest.fixture
async def with_lz4(connection: asyncpg.Connection) -> asyncpg.Connection:
    if not await connection.fetchval(HAS_LZ4):
        pytest.skip("lz4 needs PostgreSQL 14 or later that was built with it")
    return connection


async def methods_after_a_write(connection: asyncpg.Connection, name: str) -> list[str]:
    """Add sessions to every partition, and return the compression methods of the stored sessions."""
    await connection.execute(ADD, name, PROSE)
    return [row[0] for row in await connection.fetch(METHODS)]


async def test_sessions_are_compressed_by_lz4_in_every_partition(with_lz4: asyncpg.Connection) -> None:
    assert await methods_after_a_write(with_lz4, "new") == ["lz4"]


async def test_what_is_stored_stays_as_it_is_until_it_is_written_again(
    with_lz4: asyncpg.Connection, database_url: str
) -> None:
    await set_pglz(with_lz4)
    assert await methods_after_a_write(with_lz4, "old") == ["pglz"]
    files = await with_lz4.fetch(
        "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname LIKE 'sessions%'"
    )
    for _ in range(2):
        run_file(database_url, SQL / "compression.sql")
    assert await methods_after_a_write(with_lz4, "new") == ["lz4", "pglz"]
    assert files == await with_lz4.fetch(
        "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname LIKE 'sessions%'"
    )


async def test_the_doctor_says_where_it_is_not_and_what_helps(
    with_lz4: asyncpg.Connection, database_url: str
) -> None:
    patient = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}
    assert (await check_compression(ExaminedDatabase(with_lz4))).state is State.OK
    await set_pglz(with_lz4)
    found = (await examine(patient))["database.compression"]
    assert (found.state, "(encounter, state)" in found.message) == (State.WARNING, True)
    await follow(found.fix, patient)
    assert (await examine(patient))["database.compression"].message == "lz4"


async def test_a_server_without_lz4_is_told_from_one_that_does_not_use_it(
    connection: asyncpg.Connection,
) -> None:
    found = await check_compression(ExaminedDatabase(connection))
    assert found.state is State.OK
    assert found.message.startswith("lz4" if await connection.fetchval(HAS_LZ4) else "pglz")


async def set_pglz(connection: asyncpg.Connection) -> None:
    """Set the compression of two columns to that of a server without lz4, in every partition."""
    for table in await connection.fetch(
        "SELECT oid::regclass AS name FROM pg_class WHERE relname LIKE 'sessions%' AND relkind IN ('r', 'p')"
    ):
        for column in ("encounter", "state"):
            await connection.execute(
                f"ALTER TABLE ONLY {table['name']} ALTER COLUMN {column} SET COMPRESSION pglz"
            )
