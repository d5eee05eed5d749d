"""The doctor's findings for a database with faults, and the effect of its fixes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer
from tests.support.programs.installation import Variables
from tests.support.programs.patient import examine, follow, states_of
from tests.support.servers.durable import database_url, empty_database_url
from tests.support.servers.layouts import on_layout
from tests.support.servers.postgres_programs import SQL, run_file
from worker.doctor.database.activity import check_statements
from worker.doctor.database.schema import check_indexes
from worker.doctor.finding import State
from worker.store.examination.database import ExaminedDatabase

__all__ = ["database_url", "empty_database_url"]  # fixtures: the shared server is not durable

pytestmark = on_layout("plain")  # test_doctor_partitions has the other layout

NOBODY = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}
NO_BROKER = {"broker.port": "error"}


OWN_RULE = "host all session_store 127.0.0.1/32 scram-sha-256"


@pytest.fixture
def patient(database_url: str) -> Variables:
    """Return the variables of a healthy database and of a broker that is away."""
    return {"DATABASE_URL": database_url, **NOBODY}


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def set_rules(server: PostgresServer, *rules: str) -> None:
    Path(server.psql("SHOW hba_file")).write_text("".join(f"{rule}\n" for rule in rules))
    server.psql("SELECT pg_reload_conf()")


async def test_a_healthy_database_has_nothing_to_mend(patient: Variables) -> None:
    found = await examine(patient)
    assert states_of(found) == NO_BROKER
    assert {name for name, finding in found.items() if finding.fix} == {"broker.port"}


async def test_a_schema_that_is_behind_is_migrated_by_the_command(empty_database_url: str) -> None:
    patient = {"DATABASE_URL": empty_database_url, **NOBODY}
    found = await examine(patient)
    assert states_of(found) == {**NO_BROKER, "database.schema": "error"}
    assert "0001" in found["database.schema"].message
    assert found["database.indexes"].message == "needs database.schema"
    await follow(found["database.schema"].fix, patient)
    assert states_of(await examine(patient)) == NO_BROKER


async def test_a_schema_from_other_files_and_one_ahead_are_told_apart(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await connection.execute("INSERT INTO session_store_migrations (version, name) VALUES (9999, 'later')")
    found = await examine(patient)
    assert states_of(found) == {**NO_BROKER, "database.schema": "warning"}
    await connection.execute("DELETE FROM session_store_migrations WHERE version = 9999")
    await connection.execute("UPDATE session_store_migrations SET checksum = 'x' WHERE version = 2")
    schema = (await examine(patient))["database.schema"]
    assert schema.state is State.ERROR
    assert "0002" in schema.message
    await follow(schema.fix.partition(": ")[2], patient)
    assert states_of(await examine(patient)) == NO_BROKER


async def test_a_schema_of_a_development_version_is_told(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE session_store_migrations SET name = 'sessions' WHERE version = 1")
    schema = (await examine(patient))["database.schema"]
    assert (schema.state, "development version" in schema.message) == (State.ERROR, True)


async def test_a_missing_index_is_built_by_the_command(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await connection.execute("DROP INDEX idx_sessions_player_id, idx_sessions_completed_at")
    found = await examine(patient)
    assert states_of(found) == {**NO_BROKER, "database.indexes": "error"}
    assert found["database.indexes"].message == "missing: idx_sessions_completed_at, idx_sessions_player_id"
    await follow(found["database.indexes"].fix, patient)
    assert states_of(await examine(patient)) == NO_BROKER


async def test_an_index_whose_building_failed_is_renewed_by_the_command(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    await connection.execute("DROP INDEX idx_sessions_difficulty")
    other = await asyncpg.connect(patient["DATABASE_URL"])
    async with other.transaction():
        await other.execute("LOCK sessions IN ROW EXCLUSIVE MODE")
        await connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await connection.execute(
                "CREATE INDEX CONCURRENTLY idx_sessions_difficulty ON sessions (difficulty)"
            )
    await other.close()
    indexes = (await examine(patient))["database.indexes"]
    assert (indexes.state, indexes.message.rpartition(" ")[2]) == (State.ERROR, "idx_sessions_difficulty")
    await follow(indexes.fix, patient)
    assert states_of(await examine(patient)) == NO_BROKER


async def test_an_index_far_larger_than_its_entries_is_bloated(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    row = "'p' || n, '{}', '{}', now() FROM generate_series(1, 20000) AS n"
    await connection.execute(
        f"INSERT INTO sessions (session_id, player_id, encounter, state, started_at) SELECT n, {row}"
    )
    await connection.execute("ANALYZE sessions, session_ledger")
    assert (await check_indexes(ExaminedDatabase(connection), 200_000)).state is State.OK
    await connection.execute("DELETE FROM sessions WHERE session_id::integer % 100 > 0")
    await connection.execute("VACUUM ANALYZE sessions")
    indexes = await check_indexes(ExaminedDatabase(connection), 200_000)
    assert (indexes.state, "idx_sessions_player_id" in indexes.message) == (State.WARNING, True)
    await follow(indexes.fix, patient)
    assert (await check_indexes(ExaminedDatabase(connection), 200_000)).state is State.OK


async def test_a_role_is_given_by_the_command_what_it_lacks(
    patient: Variables, connection: asyncpg.Connection, breakable_postgres: PostgresServer
) -> None:
    run_file(patient["DATABASE_URL"], SQL / "roles.sql")
    await connection.execute("ALTER ROLE session_store_worker PASSWORD 'pw'")
    worker = patient["DATABASE_URL"].replace(
        f"session_store:{breakable_postgres.password}@", "session_store_worker:pw@"
    )
    assert states_of(await examine(patient, DATABASE_URL=worker)) == NO_BROKER
    await connection.execute("REVOKE SELECT ON session_store_migrations FROM session_store_worker")
    await connection.execute("REVOKE SELECT ON sessions FROM session_store_worker")
    await connection.execute("REVOKE EXECUTE ON FUNCTION apply_session_events FROM session_store_worker")
    rights = (found := await examine(patient, DATABASE_URL=worker))["database.rights"]
    assert states_of(found) == {**NO_BROKER, "database.rights": "error"}
    for lacking in ("SELECT on sessions", "EXECUTE on apply_session_events"):
        assert lacking in rights.message
    await follow(rights.fix, patient)  # as the owner
    assert states_of(await examine(patient, DATABASE_URL=worker)) == NO_BROKER


async def test_an_old_transaction_is_ended_by_the_command(
    patient: Variables, connection: asyncpg.Connection
) -> None:
    other = await asyncpg.connect(patient["DATABASE_URL"], server_settings={"application_name": "report"})
    await other.execute("BEGIN; LOCK sessions IN ACCESS EXCLUSIVE MODE")
    found = (await examine(patient, long_after=0))["database.transactions"]
    assert (found.state, "report) is idle in a transaction" in found.message) == (State.WARNING, True)
    waiting = asyncio.create_task(connection.execute("SELECT FROM sessions"))
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sessions'::regclass"
    while not await other.fetchval(blocked):
        await asyncio.sleep(0.01)
    found = (await examine(patient, long_after=0))["database.transactions"]
    assert (found.state, "1 sessions wait" in found.message) == (State.ERROR, True)
    await follow(found.fix, patient)
    await waiting
    while await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report'"
    ):
        await asyncio.sleep(0.01)
    assert (await examine(patient, long_after=0))["database.transactions"].state is State.OK
    other.terminate()


@pytest.mark.parametrize(
    ("statement", "check", "state"),
    [
        ("ALTER DATABASE {} SET synchronous_commit = off", "database.durability", "warning"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "database.writes", "error"),
        ("ALTER TABLE sessions SET (autovacuum_enabled = off)", "database.vacuum", "error"),
    ],
)
async def test_a_setting_that_harms_is_taken_back_by_the_command(
    patient: Variables, connection: asyncpg.Connection, statement: str, check: str, state: str
) -> None:
    await connection.execute(statement.format(await connection.fetchval("SELECT current_database()")))
    found = await examine(patient)
    assert states_of(found) == {**NO_BROKER, check: state}
    await follow(found[check].fix, patient)
    assert states_of(await examine(patient)) == NO_BROKER


async def test_pools_that_do_not_fit_are_given_a_size_that_does(patient: Variables) -> None:
    pools = (await examine(patient, SESSION_STORE_POOL_SIZE="1000"))["workers.connections"]
    assert pools.state is State.ERROR
    setting, _, fitting = pools.fix.partition(" ")[0].partition("=")
    assert setting == "SESSION_STORE_POOL_SIZE"
    fits = (await examine(patient, SESSION_STORE_POOL_SIZE=fitting))["workers.connections"]
    assert fits.state is State.OK
    larger = str(int(fitting) + 20)
    pools = (await examine(patient, SESSION_STORE_POOL_SIZE=larger))["workers.connections"]
    assert pools.state is State.ERROR


async def test_a_login_that_no_rule_lets_in_gets_the_rule(
    own_database_url: str, own_postgres: PostgresServer
) -> None:
    own_postgres.psql("CREATE ROLE outsider LOGIN PASSWORD 'pw'")
    outsider = own_database_url.replace(f"session_store:{own_postgres.password}@", "outsider:pw@")
    set_rules(own_postgres, OWN_RULE)
    login = (await examine({"DATABASE_URL": outsider, **NOBODY}))["database.login"]
    assert (login.state, login.message.split()[:4]) == (State.ERROR, ["pg_hba.conf", "does", "not", "admit"])
    set_rules(own_postgres, login.fix.split("'")[1], OWN_RULE)
    assert (await examine({"DATABASE_URL": outsider, **NOBODY}))["database.login"].state is State.OK
    own_postgres.psql("ALTER ROLE outsider NOLOGIN")
    login = (await examine({"DATABASE_URL": outsider, **NOBODY}))["database.login"]
    assert (login.state, login.message) == (State.ERROR, "role outsider does not exist or may not log in")


async def test_slow_statements_are_named_where_they_are_counted(
    own_database_url: str, own_postgres: PostgresServer
) -> None:
    if not own_postgres.psql("SELECT name FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
        pytest.skip("this PostgreSQL comes without pg_stat_statements")
    patient = {"DATABASE_URL": own_database_url, **NOBODY}
    assert (await examine(patient))["database.statements"].message == "pg_stat_statements is not installed"
    own_postgres.configure("shared_preload_libraries = 'pg_stat_statements'")
    own_postgres.restart()
    connection = await asyncpg.connect(own_database_url)
    await connection.execute("CREATE EXTENSION pg_stat_statements")
    for _ in range(5):
        await connection.execute("SELECT pg_sleep(0.01)")
        await connection.execute("COMMENT ON TABLE sessions IS 'a secret'")
    assert (await check_statements(ExaminedDatabase(connection), 1e9)).state is State.OK
    slow = await check_statements(ExaminedDatabase(connection), 5.0)
    assert (slow.state, "x 5: SELECT pg_sleep($1)" in slow.message) == (State.WARNING, True)
    assert "secret" not in (await check_statements(ExaminedDatabase(connection), 0.0)).message
    await connection.close()
    assert (await examine(patient))["database.statements"].state is not State.SKIPPED
