"""The findings of the doctor and `migrate` for a database that the original storage plugin used."""

import json
from pathlib import Path

import asyncpg
import pytest

from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.programs.patient import examine, follow
from tests.support.servers.layouts import on_both_layouts
from tests.support.servers.postgres_programs import run_file
from worker.doctor.finding import State
from worker.store.adoption import read_times

PLUGIN = Path(__file__).with_name("storage_plugin.sql")
NOBODY = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}
ODD = ["sess_ancient", "sess_beyond", "sess_never"]
INSERT = (
    "INSERT INTO sessions (session_id, player_id, encounter, state, started_at)"
    " VALUES ($1, 'p', '{}', '{}', $2::text::timestamptz)"
)


@pytest.fixture
def adopted(empty_database_url: str) -> Variables:
    """Return the variables of a database as the plugin left it."""
    run_file(empty_database_url, PLUGIN)
    return {"DATABASE_URL": empty_database_url, **NOBODY}


def run_migrate(variables: Variables, *options: str) -> tuple[str, str]:
    """Return the output and the warnings of `migrate`."""
    done = run_command("migrate", *options, variables=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_migrate_names_what_it_replaced_and_rows_with_odd_times(adopted: Variables) -> None:
    printed, warned = run_migrate(adopted)
    assert "replaced object idx_sessions_difficulty: now an index of the column difficulty" in printed
    assert "write difficulty = 'hard' in place of encounter->>'difficulty' = 'hard'" in printed
    assert "'sess_beyond' (started_at, completed_at), 'sess_never' (updated_at)" in warned
    printed, warned = run_migrate(adopted)
    assert (printed, "'sess_never'" in warned) == ("up to date\n", True)


def test_the_status_has_the_definitions_of_what_was_replaced(adopted: Variables) -> None:
    assert "replaced object" not in run_migrate(adopted, "--status")[0]
    run_migrate(adopted)
    printed, _ = run_migrate(adopted, "--status")
    assert "    it was: CREATE INDEX idx_sessions_incomplete ON" in printed
    status = json.loads(run_migrate(adopted, "--status", "--json")[0])
    assert len(status["replacedObjects"]) == 6
    assert [row["session_id"] for row in status["oddTimes"]] == ODD


async def test_the_doctor_names_them_and_its_statements_change_the_times(adopted: Variables) -> None:
    run_migrate(adopted)
    found = await examine(adopted)
    adoption, times = found["database.adoption"], found["database.times"]
    assert (adoption.state, "write difficulty = 'hard'" in adoption.message) == (State.OK, True)
    assert (times.state, all(name in times.message for name in ODD)) == (State.WARNING, True)
    await follow(times.fix, adopted)
    assert (await examine(adopted))["database.times"].message == "answers can hold every time"


async def test_a_new_database_has_nothing_to_name(database_url: str) -> None:
    found = await examine({"DATABASE_URL": database_url, **NOBODY})
    assert found["database.adoption"].message == "no object of another program was replaced"
    assert found["database.times"].state is State.OK


@on_both_layouts
async def test_of_a_table_that_is_too_large_only_indexed_times_are_looked_at(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute(INSERT, "odd", "infinity")
    await connection.execute(INSERT, "even", "2025-11-07T10:30:00Z")
    other = "UPDATE sessions SET updated_at = '-infinity' WHERE session_id = 'even'"
    await connection.execute(other)
    found = await read_times(connection)
    assert (str(found), found.is_complete) == ("'even' (updated_at), 'odd' (started_at)", True)
    await connection.execute(
        "INSERT INTO sessions (session_id, player_id, encounter, state, started_at)"
        " SELECT n, 'p', '{}', '{}', now() FROM generate_series(1, 20000) AS n"
    )
    found = await read_times(connection, 0.001)
    assert (str(found), found.is_complete) == ("'odd' (started_at)", False)


async def test_of_many_sessions_a_few_are_named(connection: asyncpg.Connection) -> None:
    for number in range(7):
        await connection.execute(INSERT, f"odd {number}", "infinity")
    assert str(await read_times(connection)).endswith("'odd 4' (started_at), and others")
