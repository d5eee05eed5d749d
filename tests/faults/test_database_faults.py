"""The database is restarted, stopped, frozen, locked, made read-only and migrated under a running worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from deploy.local.ports import LOOPBACK
from deploy.local.postgres import PostgresServer
from tests.support.programs.replica import Replica
from tests.support.servers.proxy import Proxy
from tests.support.stage.caller import Caller
from tests.support.stage.stage import PASSWORD, ROLE, ROLES_SQL, Stage
from worker.store.migrations import migrate

BackInTime = Callable[[float], None]
FUNCTION = (Path(__file__).parents[2] / "sql" / "functions" / "apply_session_events.sql").read_text()
IMPATIENT = {"SESSION_STORE_PATIENCE_S": "1"}
KICK_OUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store_worker'"


async def test_a_restart_costs_nothing(stage: Stage, back_in_time: BackInTime) -> None:
    await stage.start_replica()
    async with stage.load(rate=800):
        await stage.probe()
        for mode in ("fast", "immediate"):
            await asyncio.to_thread(stage.postgres.restart, mode)
            seconds = await stage.probe()
        back_in_time(seconds)
    await stage.assert_whole()
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_long_stop_leaves_events_with_the_broker(stage: Stage, back_in_time: BackInTime) -> None:
    replica = await stage.start_replica(IMPATIENT)
    await stage.probe()
    await asyncio.to_thread(stage.postgres.stop)
    await stage.publish(2000)
    await replica.logged("consuming.paused")
    await asyncio.to_thread(stage.postgres.start)
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report
    assert replica.count("broker.connected") == 1, "the link to the broker had no part in it"


async def test_sessions_that_are_terminated_in_mid_batch_cost_nothing(
    stage: Stage, back_in_time: BackInTime
) -> None:
    await stage.start_replica()
    async with stage.load(rate=1000):
        for _ in range(20):
            await _sql(stage, f"{KICK_OUT} AND state = 'active'")
            await _sql(stage, KICK_OUT)
        back_in_time(await stage.probe())
    await stage.assert_whole()
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_frozen_database_costs_nothing(stage: Stage, back_in_time: BackInTime) -> None:
    await stage.start_replica()
    async with stage.load(rate=500):
        await stage.probe()
        await asyncio.to_thread(stage.postgres.freeze)
        await asyncio.sleep(3)
        await asyncio.to_thread(stage.postgres.thaw)
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_worker_told_to_stop_while_the_database_is_frozen_ends_in_time(stage: Stage) -> None:
    replica = await stage.start_replica()
    await stage.probe()
    await asyncio.to_thread(stage.postgres.freeze)
    await stage.publish(200)
    status = await replica.stop()
    await asyncio.to_thread(stage.postgres.thaw)
    assert status == 0, replica.tail()
    await stage.start_replica()
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_read_only_database_is_waited_for(stage: Stage, back_in_time: BackInTime) -> None:
    replica = await stage.start_replica(IMPATIENT)
    await stage.probe()
    await _sql(stage, f"ALTER DATABASE {stage.database} SET default_transaction_read_only = on")
    await _sql(stage, KICK_OUT)
    await stage.publish(1000)
    assert (await replica.logged("storage.unavailable"))["reason"] == "read-only"
    await replica.logged("consuming.paused")
    await asyncio.sleep(4)
    assert replica.count("consuming.resumed") == 0, "resumed, though it takes no writes"
    reset = f"ALTER DATABASE {stage.database} RESET default_transaction_read_only"
    await asyncio.to_thread(stage.postgres.psql, reset)
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_database_out_of_connections_is_waited_for(stage: Stage, back_in_time: BackInTime) -> None:
    replica = await stage.start_replica(IMPATIENT)
    await stage.probe()
    await _sql(stage, f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    await _sql(stage, KICK_OUT)
    await stage.publish(1000)
    await replica.logged("consuming.paused")
    assert "too many connections" in _reasons(replica)
    await _sql(stage, f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_an_idle_worker_says_that_its_login_is_refused_and_taken_again(stage: Stage) -> None:
    replica = await stage.start_replica()
    await stage.probe()
    await _sql(stage, f"ALTER ROLE {ROLE} NOLOGIN")
    await _sql(stage, KICK_OUT)
    assert (await replica.logged("database.away"))["reason"] == "login refused"
    await _sql(stage, f"ALTER ROLE {ROLE} LOGIN")
    await replica.logged("database.back")
    assert replica.count("database.away") == 1


async def test_a_locked_table_is_waited_for(stage: Stage, back_in_time: BackInTime) -> None:
    replica = await stage.start_replica(IMPATIENT)
    await stage.probe()
    await _sql(stage, f"ALTER ROLE {ROLE} SET lock_timeout = '500ms'")
    await _sql(stage, KICK_OUT)
    locking = await asyncpg.connect(stage.postgres.url_of(stage.database))
    async with locking.transaction():
        await locking.execute("LOCK TABLE sessions")
        await stage.publish(1000)
        await replica.logged("consuming.paused")
        assert "lock not available" in _reasons(replica)
    await locking.close()
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_migration_under_load_costs_nothing(stage: Stage, back_in_time: BackInTime) -> None:
    replica = await stage.start_replica()
    async with stage.load(rate=1000):
        await stage.probe()
        await _sql(stage, "BEGIN; ALTER TABLE sessions ADD COLUMN next_release text; COMMIT")
        await _sql(
            stage, "BEGIN; ALTER TABLE session_ledger ADD COLUMN next_release bigint DEFAULT 7; COMMIT"
        )
        await _sql(stage, f"BEGIN; {FUNCTION}; COMMIT")
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report
    assert replica.count("consuming.paused") == 0


async def test_a_changed_password_is_taken_from_the_secret_file(
    stage: Stage, tmp_path: Path, back_in_time: BackInTime
) -> None:
    for name, url in (("DATABASE_URL", _with_password(stage, "first")), ("AMQP_URL", stage.amqp_url())):
        (tmp_path / name.lower()).write_text(url)
    stage.set_password("first")
    replica = await stage.start_replica(
        DATABASE_URL="", AMQP_URL="", PGPASSWORD="", SESSION_STORE_SECRETS_DIR=str(tmp_path)
    )
    await stage.probe()
    stage.set_password("second's@:/ one")
    await _sql(stage, KICK_OUT)
    await stage.publish(300)
    assert "login refused" in {(await replica.logged("storage.unavailable"))["reason"]}
    (tmp_path / "database_url").write_text(_with_password(stage, "second's@:/ one"))
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_an_old_primary_is_left_for_the_new_one(
    stage: Stage, tmp_path: Path, back_in_time: BackInTime
) -> None:
    async with _second_server(stage, tmp_path) as second:
        both = stage.database_url().replace(
            str(stage.postgres.port), f"{stage.postgres.port},{LOOPBACK}:{second.port}"
        )
        replica = await stage.start_replica(DATABASE_URL=both)
        await stage.probe()
        await _sql(stage, "ALTER SYSTEM SET default_transaction_read_only = on")
        await _sql(stage, "SELECT pg_reload_conf()")
        back_in_time(await stage.probe())
        assert await replica.stop() == 0
        assert second.psql("SELECT count(*) FROM sessions", stage.database) == "1"
    await asyncio.to_thread(
        stage.postgres.psql, "SET default_transaction_read_only = off; ALTER SYSTEM RESET ALL"
    )
    await asyncio.to_thread(stage.postgres.psql, "SELECT pg_reload_conf()")


async def test_a_link_lost_while_the_database_hangs_is_back_before_the_database(stage: Stage) -> None:
    caller = Caller(stage.rabbit.url, stage.topology)
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        replica = await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
        await stage.probe()
        await asyncio.to_thread(stage.postgres.freeze)
        await stage.publish(100)
        await caller.send("session.count", 30)
        proxy.cut()
        await replica.logged("broker.connected", since=replica.mark(), timeout=5)
        await asyncio.to_thread(stage.postgres.thaw)
        report = await stage.finish()
    await caller.close()
    assert report.is_clean, report


async def _sql(stage: Stage, sql: str) -> str:
    return await asyncio.to_thread(stage.postgres.psql, sql, stage.database)


def _reasons(replica: Replica) -> set[str]:
    return {line["reason"] for line in replica.log if line["event"] == "storage.unavailable"}


def _with_password(stage: Stage, password: str) -> str:
    return stage.database_url().replace(f"{ROLE}@", f"{ROLE}:{quote(password, safe='')}@")


@asynccontextmanager
async def _second_server(stage: Stage, directory: Path) -> AsyncIterator[PostgresServer]:
    """Yield another server with the stage's database in it, empty, and the workers' role."""
    server = PostgresServer(directory / "second")
    try:
        await asyncio.to_thread(server.start)
        await migrate(server.create_database(stage.database))
        server.psql(ROLES_SQL.read_text(), stage.database)
        server.psql(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
        yield server
    finally:
        await asyncio.to_thread(server.erase)
