"""Start and stop of the real process: exit codes, signals and messages."""

import asyncio
import signal

import asyncpg
import orjson

from contracts.topology import Topology
from deploy.demo.engine import Engine
from tests.acceptance.test_samples import LINES, differences, publish_all
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.replica import Replica

NOWHERE = "127.0.0.1:9"  # the discard port, without a listener


async def until_somebody_waits_for_a_lock(database: asyncpg.Connection) -> None:
    """Return once another connection to this database waits for a lock."""
    waiting = """SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                  WHERE NOT granted AND datname = current_database()"""
    async with asyncio.timeout(10):
        while not await database.fetch(waiting):
            await asyncio.sleep(0.01)


async def refused(variables: Variables) -> tuple[int, str]:
    """Return the exit code and the messages of a worker that does not start."""
    replica = await Replica.start(variables)
    status = await replica.ended(timeout=30)
    return status, "\n".join(replica.said)


async def test_sigterm_under_load_settles_what_was_delivered_and_exits_with_0(
    installation: Variables, start_replica: StartReplica
) -> None:
    first = await start_replica()
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        publishing = asyncio.create_task(publish_all(engine, LINES))
        await asyncio.wait((publishing,), timeout=0.2)
        assert await first.stop() == 0
        await start_replica()
        answers = await publishing
        assert len(answers) == len(LINES)
        assert await differences(engine) == ()


async def test_a_killed_worker_leaves_nothing_wrong(
    installation: Variables, start_replica: StartReplica
) -> None:
    first = await start_replica()
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        publishing = asyncio.create_task(publish_all(engine, LINES))
        await asyncio.wait((publishing,), timeout=0.3)
        await first.kill()
        await start_replica()
        await publishing
        assert await differences(engine) == ()


async def test_a_second_sigterm_ends_the_worker_at_once(
    installation: Variables, start_replica: StartReplica
) -> None:
    replica = await start_replica()
    database = await asyncpg.connect(installation["DATABASE_URL"])
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        async with database.transaction():
            await database.execute("LOCK TABLE session_ledger")  # nothing can be drained
            publishing = asyncio.create_task(engine.publish(LINES[1], "session.write"))
            await until_somebody_waits_for_a_lock(database)
            replica.send(signal.SIGTERM)
            await replica.logged("worker.stopping")
            replica.send(signal.SIGTERM)
            assert await replica.ended(timeout=2) == 1
        await start_replica()
        assert (await publishing)["outcome"] != "rejected"
    await database.close()


async def test_a_bad_setting_is_named_with_its_value_and_rule(servers: Variables) -> None:
    status, said = await refused({**servers, "SESSION_STORE_POOL_SIZE": "many"})
    assert status == 78
    assert "SESSION_STORE_POOL_SIZE='many': must be a valid integer" in said
    assert "Traceback" not in said


async def test_a_bad_url_does_not_show_its_password(servers: Variables) -> None:
    status, said = await refused({**servers, "DATABASE_URL": "mysql://u:hunter2@h/d"})
    assert status == 78
    assert "DATABASE_URL must begin with postgresql://" in said
    assert "hunter2" not in said


async def test_a_missing_url_is_named(servers: Variables) -> None:
    status, said = await refused({"DATABASE_URL": servers["DATABASE_URL"]})
    assert status == 78
    assert said.startswith("session-store: AMQP_URL is not set")


async def test_a_schema_that_is_behind_stops_the_start(
    empty_database_url: str, installation: Variables
) -> None:
    status, said = await refused({**installation, "DATABASE_URL": empty_database_url})
    assert status == 78
    assert "run: session-store migrate" in said


async def test_a_topology_that_is_missing_stops_the_start(servers: Variables) -> None:
    status, said = await refused(servers)
    assert status == 78
    assert "session.write is missing" in said
    assert "run: session-store topology" in said


async def test_servers_that_do_not_come_end_the_start_with_75(installation: Variables) -> None:
    hurry = {**installation, "SESSION_STORE_STARTUP_TIMEOUT_S": "1"}
    without_database, without_broker = await asyncio.gather(
        refused({**hurry, "DATABASE_URL": f"postgresql://u:p@{NOWHERE}/d"}),
        refused({**hurry, "AMQP_URL": f"amqp://guest:guest@{NOWHERE}/"}),
    )
    assert (without_database[0], without_broker[0]) == (75, 75)
    assert "connection refused" in without_database[1]


def test_wrong_use_exits_with_2(servers: Variables) -> None:
    assert run_command("run", "--no-such-flag", variables=servers).returncode == 2


async def test_an_unread_variable_is_pointed_out(installation: Variables) -> None:
    replica = await Replica.start({**installation, "SESSION_STORE_POLL_SIZE": "3"})
    await replica.logged("broker.connected")
    assert await replica.stop() == 0
    assert any("is SESSION_STORE_POOL_SIZE meant?" in line for line in replica.said)


async def test_the_log_is_json_without_bodies_or_secrets(
    installation: Variables, start_replica: StartReplica
) -> None:
    replica = await start_replica()
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        await engine.publish(b'{"canary": "in the body"}', "session.write")
    await replica.stop()
    log = orjson.dumps(replica.log).decode() + "".join(replica.said)
    assert "events.dead_lettered" in log
    assert "canary" not in log
    assert "guest" not in log
