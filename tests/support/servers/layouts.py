"""The layouts of the sessions, and a migrated database with each for tests to copy.

`SESSIONS_LAYOUT=partitioned pytest tests/faults` runs tests on partitions that otherwise run on the plain
table. `SESSIONS_LAYOUT=both` runs every test on each.
"""

import asyncio
import os
from typing import Final

import asyncpg
import pytest

import sql
from deploy.local.postgres import PostgresServer

LAYOUTS: Final = ("plain", "partitioned")
BOTH: Final = "both"
CHOSEN_LAYOUT: Final = os.environ.get("SESSIONS_LAYOUT", "plain")
MONTHS: Final = (("2025-12-01", "2026-01-01"), ("2026-01-01", "2026-02-01"))
"""Partitions for the tests' dates, or next to them; other dates are in the default partition."""

PARTITIONS_SINCE: Final = "130000"
CITUS: Final = "citus"
"""The functions and keys of a Citus cluster, on one plain PostgreSQL: their results, without distribution."""

PRETEND_CITUS: Final = """
    CREATE FUNCTION create_distributed_table(
        table_name regclass, distribution_column text, shard_count int DEFAULT 0, colocate_with text DEFAULT ''
    ) RETURNS void LANGUAGE sql AS '';
"""

on_both_layouts = pytest.mark.on_both_layouts
"""Marks tests, or as `pytestmark` a module, to be run on each layout by every run."""
on_layout = pytest.mark.on_layout
"""Marks tests of one layout alone, which every run does on that layout: `@on_layout("plain")`."""


class Templates:
    """The migrated databases that exist, by server."""

    def __init__(self) -> None:
        self._made: set[tuple[str, str]] = set()

    def name_of(self, server: PostgresServer, layout: str) -> str:
        """Return the name of a migrated database with this layout, which the first call makes."""
        if layout == "partitioned" and server.psql("SHOW server_version_num") < PARTITIONS_SINCE:
            pytest.skip("sessions are partitioned on PostgreSQL 13 or later")
        if layout not in (*LAYOUTS, CITUS):
            raise ValueError(f"SESSIONS_LAYOUT is one of {', '.join((*LAYOUTS, BOTH))}, not {layout}")
        key, name = (str(server.directory), layout), f"migrated_{layout}"
        if key not in self._made:
            asyncio.run(_prepare(server.create_database(name), layout))
            self._made.add(key)
        return name

    def forget(self, server: PostgresServer) -> None:
        """Forget the server's databases, which no longer exist."""
        self._made = {
            (directory, layout) for directory, layout in self._made if directory != str(server.directory)
        }


async def _prepare(url: str, layout: str) -> None:
    from worker.store.migrations import migrate  # imported late: tests of the servers alone need no worker

    await migrate(url)
    if layout == "partitioned":
        await partition(url)
    if layout == CITUS:
        connection = await asyncpg.connect(url)
        await connection.execute(PRETEND_CITUS + sql.script("citus/distribute"))
        await connection.close()


async def partition(url: str) -> None:
    """Partition the sessions of a migrated database: the months that tests write to, this one and the next."""
    from worker.store.conversion import convert
    from worker.store.layout import Plan, layout_connection, run_script

    async with layout_connection(url) as connection:
        await convert(connection, Plan(ahead=1))  # the doctor warns where partitions end within two days
        for bounds in MONTHS:
            await run_script(connection, "make_partition", sql.statement("set_partition_bounds"), *bounds)
