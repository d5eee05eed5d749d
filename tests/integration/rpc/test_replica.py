"""Reads from a streaming replica: never below the asked revision, and answered while it is behind or away."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.caller import Caller, Failed, make_session, within
from tests.support.programs.rpc_worker import Installation, install
from tests.support.servers.running import delete_topology, unique_prefix
from worker.doctor.database.replica import check_replica
from worker.doctor.finding import State
from worker.store.replica import Replica

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAYERS: Final = {"filter": {"playerId": "of the replica"}}


@pytest.fixture(scope="module")
def standby(slot: Path, postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """Yield a replica of the run's PostgreSQL, which the tests may pause and stop."""
    server = PostgresServer(slot / "postgres-standby", standby_of=postgres_server)
    try:
        server.start()
        yield server
    finally:
        server.erase()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    postgres_server: PostgresServer,
    standby: PostgresServer,
    rabbit_server: RabbitServer,
    template_database: str,
) -> AsyncIterator[Installation]:
    """Yield a worker that reads from the replica; it shadows the shared one's."""
    name = f"test_{secrets.token_hex(6)}"
    database_url = postgres_server.create_database(name, template_database)
    await caught_up(standby, postgres_server)
    async with install(
        database_url, rabbit_server.url, unique_prefix(), standby.url_of(name)
    ) as installation:
        yield installation
    await delete_topology(rabbit_server.url, installation.topology)
    postgres_server.drop_database(name)


@pytest.fixture
def replica(installation: Installation) -> Replica:
    """Return the worker's view of the replica."""
    assert installation.storage.replica is not None
    return installation.storage.replica


@pytest_asyncio.fixture(loop_scope="module")
async def paused(standby: PostgresServer, postgres_server: PostgresServer) -> AsyncIterator[None]:
    """Pause the replica's replay for the test."""
    await caught_up(standby, postgres_server)
    standby.psql("SELECT pg_wal_replay_pause()")
    while standby.psql("SELECT pg_get_wal_replay_pause_state()") != "paused":
        pass
    yield
    standby.psql("SELECT pg_wal_replay_resume()")


async def caught_up(standby: PostgresServer, primary: PostgresServer) -> None:
    """Return once the replica has replayed all writes of the primary so far."""
    written = primary.psql("SELECT pg_current_wal_lsn()")
    while standby.psql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") != "t":
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("paused")
async def test_a_read_that_names_a_revision_never_gets_an_older_one(caller: Caller) -> None:
    for revision in (1, 2, 3):
        session = make_session("behind", "of the replica", state={"n": revision})
        await caller.write(session, revision)
        asked = {"sessionId": "behind", "minRevision": revision}
        assert (await caller.call("session.read", asked))["record"]["session"] == session
    await caller.delete("behind", 4)
    assert (await caller.call("session.read", {"sessionId": "behind", "minRevision": 4})) == {"record": None}
    with pytest.raises(Failed) as raised:
        await caller.call("session.read", {"sessionId": "behind", "minRevision": 5}, headers=within(0.3))
    assert raised.value.reason == "not_yet_visible"


@pytest.mark.usefixtures("paused")
async def test_a_confirmed_write_is_read_back_without_a_revision(caller: Caller) -> None:
    session = make_session("confirmed", "of the replica")
    await caller.write(session)
    assert (await caller.call("session.read", {"sessionId": "confirmed"}))["record"]["session"] == session
    many = await caller.call("session.readMany", {"sessionIds": ["confirmed", "nobody"]})
    assert [record and record["session"] for record in many["records"]] == [session, None]


async def test_queries_and_counts_are_the_replicas(
    caller: Caller, paused: None, standby: PostgresServer, postgres_server: PostgresServer
) -> None:
    before = (await caller.call("session.count", PLAYERS))["count"]
    total = (await caller.call("session.stats"))["totalSessions"]
    await caller.write(make_session(f"late {secrets.token_hex(4)}", "of the replica"))
    assert (await caller.call("session.count", PLAYERS))["count"] == before
    assert len((await caller.call("session.query", PLAYERS))["records"]) == before
    assert (await caller.call("session.stats"))["totalSessions"] == total
    standby.psql("SELECT pg_wal_replay_resume()")
    await caught_up(standby, postgres_server)
    assert (await caller.call("session.count", PLAYERS))["count"] == before + 1


async def test_while_it_is_away_the_primary_answers(
    caller: Caller, installation: Installation, standby: PostgresServer, replica: Replica
) -> None:
    session = make_session("while away", "of the replica")
    await asyncio.to_thread(standby.stop, "immediate")
    await caller.write(session)
    found = await caller.call("session.read", {"sessionId": "while away", "minRevision": 1})
    assert found["record"]["session"] == session
    assert session in [r["session"] for r in (await caller.call("session.query", PLAYERS))["records"]]
    was_there = replica.is_available
    await asyncio.to_thread(standby.start)
    await replica.probe()
    assert (was_there, replica.is_available) == (False, True)
    await caller.call("session.count", PLAYERS)
    assert installation.storage.usage()["replica"].idle > 0


async def test_the_doctor_looks_at_it(
    installation: Installation, standby: PostgresServer, postgres_server: PostgresServer
) -> None:
    await caught_up(standby, postgres_server)
    name = installation.database_url.rpartition("/")[2]
    found = await check_replica(standby.url_of(name), 5)
    assert (found.state, found.message) == (State.OK, "it replays, 0.0 s behind")
    primary = await check_replica(installation.database_url, 5)
    assert (primary.state, primary.message) == (State.WARNING, "the server is a primary")
    away = await check_replica("postgresql://nobody@127.0.0.1:1/nothing", 5)
    assert (away.state, away.message) == (State.WARNING, "the primary serves every read: connection refused")


async def test_a_look_says_how_far_it_is_behind(
    caller: Caller, paused: None, standby: PostgresServer, postgres_server: PostgresServer, replica: Replica
) -> None:
    await caller.write(make_session("lags", "of the replica"))
    async with asyncio.timeout(10):
        while replica.lag == 0:
            await replica.probe()
    standby.psql("SELECT pg_wal_replay_resume()")
    await caught_up(standby, postgres_server)
    async with asyncio.timeout(10):
        while replica.lag > 0:
            await replica.probe()
