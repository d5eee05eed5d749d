"""The doctor's findings for partitioned sessions, and the effect of its fixes."""

from datetime import UTC, datetime

import asyncpg
import pytest

from tests.support.programs.installation import Variables
from tests.support.programs.patient import Findings, examine, follow, states_of
from tests.support.servers.durable import database_url, empty_database_url
from tests.support.servers.layouts import on_layout
from worker.store.layout import read_partitions, run_script

__all__ = ["database_url", "empty_database_url"]  # fixtures: the shared server is not durable


def ailing(found: Findings) -> dict[str, str]:
    """Return the state of each check of the database that is not `ok`."""
    return {name: state for name, state in states_of(found).items() if name.startswith("database.")}


pytestmark = on_layout("partitioned")


@pytest.fixture
def patient(database_url: str) -> Variables:
    """Return the variables of a healthy database and of a broker that is away."""
    return {"DATABASE_URL": database_url, "AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}


async def test_partitions_that_come_to_an_end_are_made_by_the_command(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await drop_the_newest(connection)
    found = await examine(patient)
    assert ailing(found) == {"database.partitions": "warning"}
    assert found["database.partitions"].message.startswith("partitions end at 2026-02-01")
    await follow(found["database.partitions"].fix, patient)
    assert ailing(await examine(patient)) == {}


async def test_a_missing_index_is_built_by_the_command(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await run_maintenance(patient)
    await connection.execute("DROP INDEX idx_sessions_player_id")
    indexes = (await examine(patient))["database.indexes"]
    assert indexes.message == "missing: idx_sessions_player_id"
    await follow(indexes.fix, patient)
    assert ailing(await examine(patient)) == {}


async def test_a_conversion_that_was_left_is_brought_to_its_end_by_the_command(
    plain_patient: Variables,
) -> None:
    connection = await asyncpg.connect(plain_patient["DATABASE_URL"])
    await run_script(connection, "begin")
    await connection.close()
    partitions = (await examine(plain_patient))["database.partitions"]
    assert "being partitioned" in partitions.message
    await follow(partitions.fix, plain_patient)
    assert ailing(await examine(plain_patient)) == {}


@pytest.fixture
async def plain_patient(empty_database_url: str, patient: Variables) -> Variables:
    """Return the variables of a database with one table."""
    variables = {**patient, "DATABASE_URL": empty_database_url}
    await follow("session-store migrate", variables)
    return variables


async def run_maintenance(patient: Variables) -> None:
    await follow("session-store partition maintain", patient)


async def drop_the_newest(connection: asyncpg.Connection) -> None:
    """Drop this month's partition and later ones, as if none had been made for long."""
    for known in await read_partitions(connection):
        if known.ends and known.ends > datetime(2026, 2, 1, tzinfo=UTC):
            await connection.execute(f"DROP TABLE {known.name}")
