"""A worker behind PgBouncer, in session and in transaction mode."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from contracts.client import SessionStore
from deploy.local.postgres import PostgresServer
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica
from tests.support.selection import long
from tests.support.servers.pgbouncer import PgBouncer

CALLERS: Final = 40


@pytest.fixture(
    params=[
        pytest.param("session", marks=long("the mode that lends a connection for good saves none")),
        "transaction",
    ]
)
def bouncer(
    slot: Path, postgres_server: PostgresServer, request: pytest.FixtureRequest
) -> Iterator[PgBouncer]:
    """Yield a pooler in each of its modes; its configuration has none of a worker's settings."""
    bouncer = PgBouncer(slot / f"pgbouncer-{secrets.token_hex(4)}", postgres_server, request.param)
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.erase()


@pytest.fixture
def pooled(bouncer: PgBouncer, installation: Variables, request: pytest.FixtureRequest) -> Variables:
    """Return the variables of an installation whose workers connect through the pooler."""
    name = installation["DATABASE_URL"].rpartition("/")[2]
    mode = str(request.node.callspec.params["bouncer"])
    size = (
        "4" if mode == "session" else "10"
    )  # the pooler lends its four connections for a session or a transaction
    return {
        **installation,
        "DATABASE_URL": bouncer.url_of(name),
        "SESSION_STORE_POOLER": mode,
        "SESSION_STORE_POOL_SIZE": size,
    }


@pytest.fixture
async def store(pooled: Variables) -> AsyncIterator[SessionStore]:
    """Yield a client of a worker that connects through the pooler."""
    replica = await Replica.start(pooled)
    await replica.logged("broker.connected")
    async with SessionStore(pooled["AMQP_URL"], prefix=pooled["SESSION_STORE_PREFIX"], timeout=20) as store:
        yield store
    assert await replica.stop() == 0, replica.tail()
    assert replica.count("storage.unavailable") == 0, replica.tail()


async def test_a_worker_stores_and_answers_through_a_pooler(store: SessionStore) -> None:
    ids = [f"sess_{number}" for number in range(CALLERS)]
    written = await asyncio.gather(*(store.write(session_of(each)) for each in ids))
    assert {each.outcome for each in written} == {"stored"}
    found = await asyncio.gather(*(store.read(each) for each in ids), *(store.count() for _ in ids))
    assert found[CALLERS:] == [CALLERS] * CALLERS
    assert [record.session.session_id for record in found[:CALLERS] if record] == ids  # type: ignore[union-attr]
    assert (await store.delete(ids[0])).outcome == "deleted"
    assert (await store.stats()).total_sessions == CALLERS - 1
    assert len((await store.query()).records) == CALLERS - 1


async def test_a_worker_that_does_not_know_of_the_pooler_says_so(pooled: Variables) -> None:
    replica = await Replica.start(
        {**pooled, "SESSION_STORE_POOLER": "none", "SESSION_STORE_STARTUP_TIMEOUT_S": "1"}
    )
    line = await replica.logged("storage.unavailable")
    assert line["reason"] == "a pooler is in between; see SESSION_STORE_POOLER"
    assert await replica.ended() == 78


def test_migrations_do_not_go_through_a_pooler_that_lends_by_the_transaction(pooled: Variables) -> None:
    done = run_command("migrate", variables=pooled)
    if pooled["SESSION_STORE_POOLER"] == "session":
        assert (done.returncode, done.stdout.strip()) == (0, "up to date")
    else:
        assert done.returncode == 78
        assert "not to its pooler" in done.stderr


def session_of(session_id: str) -> dict[str, object]:
    """Return a session to write."""
    started = "2025-11-07T10:30:00Z"
    return {
        "sessionId": session_id,
        "playerId": "player_1",
        "encounter": {},
        "state": {},
        "startedAt": started,
    }
