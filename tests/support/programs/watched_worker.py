"""One worker in this process, on real servers, seen from all sides: broker, database, and its deliveries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import WRITE_KEY, Topology
from tests.support.broker.caller import Caller, make_session
from tests.support.patience import LONGEST_WAIT
from worker.app import Worker
from worker.broker import frames
from worker.broker.delivery import Delivery
from worker.broker.topology import declare_topology
from worker.settings.config import Flags
from worker.settings.loading import load
from worker.settings.reloading_url import ReloadingUrl
from worker.store.storage import StorageOptions, open_storage

POLL_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class Installation:
    """A running worker for a test; `delivered` has every delivery from the broker, in order."""

    topology: Topology
    amqp_url: str
    worker: Worker
    caller: Caller
    database: asyncpg.Connection
    delivered: list[Delivery]
    dead: "asyncio.Queue[AbstractIncomingMessage]"

    async def write(self, session_id: str, revision: int = 1) -> None:
        """Publish a write; returns after the publisher confirm."""
        await self.caller.publish(write_body(session_id, revision), WRITE_KEY)

    async def settle(self) -> None:
        """Return once every earlier write is acknowledged: a last write gets its confirmation after them."""
        confirmation = await self.caller.write(make_session(f"last {uuid4()}"))
        assert confirmation["outcome"] == "stored"
        await until(lambda: self.worker.state().serving.in_flight == 0)

    async def dead_letters(self, count: int) -> list[AbstractIncomingMessage]:
        """Return the next dead letters; asserts that there are no more of them now."""
        async with asyncio.timeout(LONGEST_WAIT):
            letters = [await self.dead.get() for _ in range(count)]
        assert self.dead.empty()
        return letters

    async def revisions(self) -> dict[str, int]:
        """Return the revision of every stored session, without those that `settle` wrote."""
        rows = await self.database.fetch("SELECT session_id, revision FROM sessions")
        return {row[0]: row[1] for row in rows if not row[0].startswith("last ")}

    def assert_undisturbed(self) -> None:
        """Assert that no connection was closed and no message was delivered twice."""
        assert self.worker.state().reconnects == 0
        assert not [delivery for delivery in self.delivered if delivery.redelivered]


@asynccontextmanager
async def install(
    database_url: str, amqp_url: str, prefix: str, broker: str = "", **flags: object
) -> AsyncIterator[Installation]:
    """Yield an installation whose worker consumes; it uses the broker's URL `broker` if one is given."""
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    flags = {"database_url": database_url, "amqp_url": broker or amqp_url, "prefix": prefix, **flags}
    loaded = load(cast(Flags, flags))
    options = StorageOptions(
        dsn=ReloadingUrl(loaded, "database_url"),
        pool_size=loaded.settings.pool_size,
        connect_timeout=5.0,
        statement_timeout=10.0,
    )
    caller = await Caller.connect(amqp_url, topology, loaded.settings.signing_keys.get_secret_value())
    database = await asyncpg.connect(database_url)
    async with recorded() as delivered, open_storage(options) as storage:
        worker = Worker(loaded.settings, ReloadingUrl(loaded, "amqp_url"), storage)
        running = asyncio.create_task(worker.run())
        try:
            dead = await consume_dead(caller, topology)
            await caller.call("health.check")
            yield Installation(topology, amqp_url, worker, caller, database, delivered, dead)
        finally:
            worker.stop()
            await running
            await database.close()
            await caller.connection.close()


@asynccontextmanager
async def one_batch(installation: Installation, size: int) -> AsyncIterator[None]:
    """Make the next `size` deliveries one batch: until all came, two earlier batches wait for locked rows."""
    for session_id in ("last 1", "last 2"):
        await installation.write(session_id)
    await installation.settle()
    async with locked(installation.database):
        for waiting, session_id in enumerate(("last 1", "last 2")):
            await installation.write(session_id, 2)
            await until_waiting(installation.database, waiting + 1)
        before = len(installation.delivered)
        yield
        await until(lambda: len(installation.delivered) == before + size)


@asynccontextmanager
async def locked(database: asyncpg.Connection) -> AsyncIterator[None]:
    """Lock every entry of the ledger, so that each transaction that applies an event to one waits."""
    async with database.transaction():
        await database.execute("SELECT FROM session_ledger FOR UPDATE")
        yield


async def until_waiting(database: asyncpg.Connection, count: int) -> None:
    """Return once this many transactions wait for a lock that `database` holds."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(LONGEST_WAIT):
        while await database.fetchval(query) != count:
            await asyncio.sleep(POLL_SECONDS)


async def until_stored(installation: Installation, session_id: str) -> None:
    """Return once a session is stored."""
    async with asyncio.timeout(LONGEST_WAIT):
        while session_id not in await installation.revisions():
            await asyncio.sleep(POLL_SECONDS)


async def until(holds: Callable[[], bool]) -> None:
    """Return once the condition is true."""
    async with asyncio.timeout(LONGEST_WAIT):
        while not holds():
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def recorded() -> AsyncIterator[list[Delivery]]:
    """Yield the list of all deliveries that workers of this process get."""
    delivered: list[Delivery] = []

    def record(*arguments: Any) -> Delivery:
        delivered.append(Delivery(*arguments))
        return delivered[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "Delivery", record)
        yield delivered


async def consume_dead(caller: Caller, topology: Topology) -> "asyncio.Queue[AbstractIncomingMessage]":
    """Return the queue in this process that dead letters arrive in."""
    dead: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    channel = await caller.connection.channel()
    queue = await channel.get_queue(topology.dead_queue.name, ensure=False)
    await queue.consume(dead.put, no_ack=True)
    return dead


def event_body(kind: str, session_id: str, content: dict[str, object]) -> bytes:
    """Return the body of an event with an id of its own."""
    envelope = {"specversion": "1.0", "id": str(uuid4()), "source": "engine/tests"}
    return orjson.dumps({**envelope, "type": kind, "subject": session_id, "data": content})


def write_body(session_id: str, revision: int = 1, expected: int | None = None, **session: object) -> bytes:
    """Return the body of a write."""
    content = {"revision": revision, "session": make_session(session_id, **session)}
    return event_body(
        WRITE_KEY, session_id, content | ({} if expected is None else {"expectedRevision": expected})
    )


def codes_of(letters: Sequence[AbstractIncomingMessage]) -> list[str]:
    """Return the code of each dead letter."""
    return [str(letter.headers["x-code"]) for letter in letters]
