"""Two batches are in flight; whichever commits first, nothing unacknowledged is lost."""

from asyncio import TaskGroup
from collections.abc import AsyncIterator

import asyncpg
import orjson
import pytest
from yarl import URL

from contracts.topology import WRITE_KEY
from deploy.local.ports import LOOPBACK
from tests.support.broker.caller import make_session
from tests.support.programs.watched_worker import (
    Installation,
    install,
    locked,
    until,
    until_stored,
    until_waiting,
    write_body,
)
from tests.support.servers.proxy import Proxy

IN_THE_WAY = """
    INSERT INTO sessions (session_id, player_id, encounter, state, started_at)
    VALUES ('new', '', '{}', '{}', now())
"""


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    address = URL(amqp_url)
    async with Proxy(LOOPBACK, address.port or 0) as proxy:
        yield proxy


@pytest.fixture
async def installation(
    database_url: str, amqp_url: str, prefix: str, proxy: Proxy
) -> AsyncIterator[Installation]:
    broker = str(URL(amqp_url).with_port(proxy.port))
    async with install(database_url, amqp_url, prefix, broker, batch_size=1) as installation:
        await installation.write("first")
        await installation.settle()
        yield installation


async def test_what_a_later_batch_overtook_is_delivered_again_when_the_connection_dies(
    installation: Installation, proxy: Proxy
) -> None:
    async with locked(installation.database):
        await overtake(installation)
        accepted = proxy.counters.accepted
        proxy.cut()
        while proxy.counters.accepted == accepted:
            await end_waiting(installation.database)
    await installation.settle()
    assert await installation.revisions() == {"first": 2, "second": 1}
    again = [delivery.body for delivery in installation.delivered if delivery.redelivered]
    assert [b'"first"' in body or b'"second"' in body for body in again] == [True, True]
    assert await installation.dead_letters(0) == []


async def test_batches_are_settled_in_the_order_of_delivery(installation: Installation) -> None:
    settled: list[str] = []

    async def confirm(session_id: str) -> None:
        confirmation = await installation.caller.write(make_session(session_id), 2)
        settled.append(confirmation["subject"])

    async with TaskGroup() as tasks, locked(installation.database):
        tasks.create_task(confirm("first"))
        await until_waiting(installation.database, 1)
        tasks.create_task(confirm("second"))
        await until_stored(installation, "second")
        tasks.create_task(confirm("third"))
        assert (await installation.caller.call("health.check"))["lagSeconds"] > 0
        assert settled == []
    assert settled == ["first", "second", "third"]
    installation.assert_undisturbed()


async def test_an_expected_revision_is_judged_after_the_batch_that_stores_it(
    installation: Installation,
) -> None:
    transaction = installation.database.transaction()
    await transaction.start()
    await installation.database.execute(IN_THE_WAY)
    await installation.write("new", 1)
    await until_waiting(installation.database, 1)
    async with TaskGroup() as tasks:
        body = write_body("new", 2, expected=1)
        confirming = tasks.create_task(installation.caller.send(body, WRITE_KEY))
        await until(lambda: installation.delivered[-1].body == body)
        await installation.caller.call("health.check")
        await transaction.rollback()
    assert orjson.loads(confirming.result())["outcome"] == "stored"
    assert await installation.revisions() == {"first": 1, "new": 2}
    installation.assert_undisturbed()


async def test_why_a_batch_failed_is_told_until_it_is_stored(installation: Installation) -> None:
    async with locked(installation.database):
        await installation.write("first", 2)
        await until_waiting(installation.database, 1)
        await end_waiting(installation.database)
        await until(lambda: installation.worker.state().serving.storing is not None)
    await installation.settle()
    assert installation.worker.state().serving.storing is None
    assert await installation.revisions() == {"first": 2}
    installation.assert_undisturbed()


async def overtake(installation: Installation) -> None:
    """Commit the second of two batches while the first waits for a locked row."""
    await installation.write("first", 2)
    await until_waiting(installation.database, 1)
    await installation.write("second")
    await until_stored(installation, "second")


async def end_waiting(database: asyncpg.Connection) -> None:
    """End every connection that waits for a lock, so that its transaction is lost."""
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
