"""Requests while the database is away, and after."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.caller import Caller, Failed, Json, make_session, within
from tests.support.programs.rpc_worker import Installation, install
from tests.support.servers.layouts import Templates
from tests.support.servers.running import delete_topology, unique_prefix
from worker.broker.topology import declare_topology

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'session-store%'"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    own_postgres: PostgresServer, templates: Templates, layout: str, rabbit_server: RabbitServer
) -> AsyncIterator[Installation]:
    """Yield a running worker whose database server may be stopped; it shadows the shared one's."""
    template = await asyncio.to_thread(templates.name_of, own_postgres, layout)
    database_url = own_postgres.create_database(f"test_{secrets.token_hex(6)}", template)
    async with install(database_url, rabbit_server.url, unique_prefix()) as installation:
        yield installation
    await delete_topology(rabbit_server.url, installation.topology)


async def fail(caller: Caller, method: str, params: Json, seconds: float = 5) -> tuple[int, str, bool]:
    """Return the facts of the error that a request gets."""
    with pytest.raises(Failed) as raised:
        await caller.call(method, params, headers=within(seconds))
    return raised.value.code, raised.value.reason, raised.value.retryable


async def test_a_stopped_database_is_told_and_one_that_is_back_is_asked_again(
    caller: Caller, own_postgres: PostgresServer
) -> None:
    session = make_session("kept over an outage")
    await caller.write(session)
    for mode in ("fast", "immediate"):
        await asyncio.to_thread(own_postgres.stop, mode)
        for method, params in (
            ("session.read", {"sessionId": session["sessionId"]}),
            ("session.read", {"sessionId": session["sessionId"], "minRevision": 1}),
            ("session.query", {}),
            ("session.stats", {}),
        ):
            assert await fail(caller, method, params) == (-32001, "storage_unavailable", True)
        health = await caller.call("health.check")
        assert (health["ok"], health["database"]) == (False, "connection refused")
        await asyncio.to_thread(own_postgres.start)
        found = await caller.call("session.read", {"sessionId": session["sessionId"], "minRevision": 1})
        assert found["record"]["session"] == session
        assert (await caller.call("health.check"))["ok"] is True


async def test_connections_that_were_cut_are_replaced(caller: Caller, own_postgres: PostgresServer) -> None:
    await asyncio.gather(*(caller.call("session.count") for _ in range(20)))
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'session-store%'"
    )
    await asyncio.to_thread(own_postgres.psql, cut)
    counts = await asyncio.gather(*(caller.call("session.count") for _ in range(20)), return_exceptions=True)
    told = {error.reason for error in counts if isinstance(error, Failed)}
    assert told <= {"storage_unavailable"}  # at most for requests whose connection was just cut
    assert [await caller.call("session.count") for _ in range(20)] == [
        await caller.call("session.count")
    ] * 20


async def test_a_frozen_database_is_told_by_the_deadline_and_answers_once_it_goes_on(
    caller: Caller, own_postgres: PostgresServer
) -> None:
    await caller.call("session.count")
    own_postgres.freeze()
    try:
        answers = await asyncio.gather(*(fail(caller, "session.count", {}, 0.5) for _ in range(4)))
    finally:
        own_postgres.thaw()
    assert set(answers) == {(-32002, "timeout", True)}  # both for a new connection and for an open one
    async with asyncio.timeout(10):
        while (await caller.call("health.check"))["ok"] is not True:
            pass
    assert (await caller.call("session.count"))["count"] >= 0


async def test_a_database_that_refuses_the_login_is_told_without_its_words(
    caller: Caller, own_postgres: PostgresServer, installation: Installation
) -> None:
    name = installation.database_url.rpartition("/")[2]
    await asyncio.to_thread(own_postgres.psql, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await asyncio.to_thread(own_postgres.psql, CUT)
    try:
        with pytest.raises(Failed) as raised:
            await caller.call("session.count")
    finally:
        await asyncio.to_thread(own_postgres.psql, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert raised.value.reason == "storage_unavailable"
    assert name not in str(raised.value)
    assert "SELECT" not in str(raised.value)
    assert (await caller.call("session.count"))["count"] >= 0


async def test_a_read_that_still_waits_does_not_hold_up_the_next_connection(
    installation: Installation,
) -> None:
    caller, queue = installation.caller, installation.topology.rpc_queue.name
    waiting = asyncio.create_task(
        caller.call("session.read", {"sessionId": "nobody's", "minRevision": 1}, headers=within(60))
    )
    await asyncio.sleep(0)
    await caller.call("health.check")  # the earlier request is in progress now
    with capture_logs() as lines:
        async with caller.connection.channel() as channel:
            await channel.queue_delete(
                queue
            )  # so the broker cancels the consumers, and the worker starts new ones
        async with asyncio.timeout(30):  # RabbitMQ 3.10 cancels none if the queue is declared again at once
            while not any(line["event"] == "requests.interrupted" for line in lines):
                await asyncio.sleep(0.02)
    await declare_topology(installation.amqp_url, installation.topology)
    async with asyncio.timeout(30):
        assert (await caller.call("health.check"))["ok"] is True
    waiting.cancel()
