"""Everything a run under fault needs: servers, a database and queues of its own, replicas, a producer, a judge."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from time import monotonic
from typing import Final
from uuid import UUID

import aio_pika
import asyncpg

from contracts.topology import Topology
from deploy.local.instance import PROJECT
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.replica import Replica
from tests.support.stage.aftermath import count_ready, read_queues, read_tables
from tests.support.stage.events import make_event
from tests.support.stage.history import Aftermath, DeadLetter, History, Key, Sent
from tests.support.stage.judge import judge
from tests.support.stage.producer import Producer
from tests.support.stage.stream import Mix, Stream
from tests.support.stage.verdict import Report
from worker.broker.topology import declare_topology

ROLE: Final = "session_store_worker"
PASSWORD: Final = "worker"
ROLES_SQL: Final = PROJECT / "sql" / "roles.sql"
POLL_SECONDS: Final = 0.05
SESSIONS: Final = 200
UNTIL_EVENTS: Final = 300  # between two checks for the end
POOL_SIZE: Final = 10
MOST_FILES: Final = 32  # three connections to the broker, the pool, and the interpreter's own
CONNECTIONS: Final = """
    SELECT pid, state, xact_start FROM pg_stat_activity
     WHERE usename = 'session_store_worker' AND datname = current_database()
"""
IDLE: Final = "idle in transaction"
ENDED_AS_IDLE: Final = "idle-in-transaction timeout"  # PostgreSQL logs it when it ends such a connection


class Stage:
    """One installation under test. Workers log in with their role of `sql/roles.sql`."""

    def __init__(
        self, postgres: PostgresServer, rabbit: RabbitServer, database: str, prefix: str, seed: int
    ) -> None:
        self.postgres = postgres
        self.rabbit = rabbit
        self.database = database
        self.topology = Topology(prefix)
        self.seed = seed
        self.draw = random.Random(seed)
        self.history = History()
        self.producer = Producer(rabbit.url, self.topology, self.history)
        self.replicas: list[Replica] = []
        self.letters: list[DeadLetter] = []

    @property
    def running(self) -> list[Replica]:
        """The replicas that have not ended."""
        return [replica for replica in self.replicas if replica.is_running]

    async def prepare(self, roles: str | None = None, *, calm: bool = False) -> None:
        """Make the roles (by this SQL, or `sql/roles.sql`), and declare the topology.

        The queues are on disk afterwards, unless the stage is `calm`: its broker is never killed.
        """
        await asyncio.to_thread(self.postgres.psql, roles or ROLES_SQL.read_text(), self.database)
        self.set_password(PASSWORD)
        await declare_topology(self.rabbit.url, self.topology)
        if not calm:
            await asyncio.to_thread(self.rabbit.sync)

    def set_password(self, password: str) -> None:
        """Give the workers' role this password."""
        quoted = password.replace("'", "''")
        self.postgres.psql(f"ALTER ROLE {ROLE} PASSWORD '{quoted}'")

    def database_url(self, port: int | None = None) -> str:
        """Return a worker's URL of the database, at the server or at a proxy's port."""
        return f"postgresql://{ROLE}@{LOOPBACK}:{port or self.postgres.port}/{self.database}?sslmode=disable"

    def amqp_url(self, port: int | None = None) -> str:
        """Return the broker's URL, at the server or at a proxy's port."""
        return f"amqp://guest:guest@{LOOPBACK}:{port or self.rabbit.port}/"

    async def start_replica(
        self, settings: Mapping[str, str] | None = None, *, ready: bool = True, **variables: str
    ) -> Replica:
        """Return a new worker, once it has connected to the broker unless `ready` is false."""
        defaults = {
            "DATABASE_URL": self.database_url(),
            "PGPASSWORD": PASSWORD,
            "AMQP_URL": self.amqp_url(),
            "SESSION_STORE_PREFIX": self.topology.prefix,
        }
        given = {
            name: value for name, value in {**defaults, **(settings or {}), **variables}.items() if value
        }
        replica = await Replica.start(given)
        self.replicas.append(replica)
        if ready:
            await replica.logged("broker.connected")
        return replica

    def events(self, number: int, mix: Mix | None = None) -> Iterable[Sent]:
        """Return the first `number` events of a stream that the seed determines."""
        return islice(Stream(self.draw.getrandbits(64), SESSIONS, mix or Mix()), number)

    async def publish(self, number: int, rate: float | None = None) -> None:
        """Publish `number` events of a stream; returns once the broker has confirmed all."""
        await self.producer.publish(self.events(number), rate)

    async def publish_until(self, over: asyncio.Event, rate: float, mix: Mix | None = None) -> None:
        """Publish `rate` events a second until `over` is set; then the broker has confirmed every event."""
        while not over.is_set():
            await self.producer.publish(self.events(UNTIL_EVENTS, mix), rate)

    @asynccontextmanager
    async def load(self, rate: float, mix: Mix | None = None) -> AsyncIterator[None]:
        """Publish `rate` events a second meanwhile; afterwards the broker has confirmed every event."""
        over = asyncio.Event()
        publishing = asyncio.create_task(self.publish_until(over, rate, mix))
        try:
            yield
        except BaseException:
            publishing.cancel()
            raise
        over.set()
        await publishing

    def make_probe(self) -> Sent:
        """Return a write of a new session whose publisher asks for a confirmation."""
        number = UUID(int=self.draw.getrandbits(128), version=4)
        event = make_event(f"probe_{number}", Key(1, number), self.draw)
        return Sent(
            event.number,
            event.session_id,
            event.body,
            event.routing_key,
            event.key,
            asks=True,
            content=event.content,
        )

    async def probe(self) -> float:
        """Return the seconds from now until the confirmation of a new event."""
        begun = monotonic()
        await self.producer.ask(self.make_probe())
        return monotonic() - begun

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[None]:
        """Lock this table, so that every call that uses it waits."""
        connection = await asyncpg.connect(self.postgres.url_of(self.database))
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table}")
            yield
        await connection.close()

    async def drained(self) -> None:
        """Return once no event waits in a queue; workers may still process some.

        Fails if the number of waiting events has had no new minimum for two minutes.
        """
        fewest, deadline = sys.maxsize, 0.0
        connection = await aio_pika.connect(self.rabbit.url, timeout=10)
        async with connection, connection.channel() as channel:
            while waiting := await count_ready(channel, self.topology):
                if waiting < fewest:
                    fewest, deadline = waiting, monotonic() + LONGEST_WAIT
                elif monotonic() > deadline:
                    raise AssertionError(f"{waiting} events wait, seed {self.seed}:\n{self.tails()}")
                await asyncio.sleep(POLL_SECONDS)

    async def finish(self) -> Report:
        """Return the verdict once everything is settled and every worker has ended by SIGTERM with status 0."""
        await self.producer.ask_again()
        await self.drained()
        await self.assert_whole()
        await asyncio.gather(*map(_stop, self.running))
        waiting = await self.take_letters()
        ledger, rows = await read_tables(self.postgres.url_of(self.database))
        return judge(self.history, Aftermath(ledger, rows, tuple(self.letters), waiting))

    async def assert_whole(self) -> None:
        """Fail if a worker has too many open files or connections, or leaves a transaction open.

        A busy worker is sometimes between two statements, so each such transaction is watched to its end.
        """
        for replica in self.running:
            assert replica.count_open_files() <= MOST_FILES, f"{replica.pid} has {replica.count_open_files()}"
        logged = self.postgres.log.stat().st_size
        connections = await self._connections()
        assert len(connections) <= POOL_SIZE * len(self.running), connections
        idle = {line for line in connections if IDLE in line}
        deadline = monotonic() + LONGEST_WAIT
        while idle := idle & await self._connections():
            assert monotonic() < deadline, idle
            await asyncio.sleep(POLL_SECONDS)
        assert ENDED_AS_IDLE not in self.postgres.log.read_bytes()[logged:].decode(), (
            "a worker left a transaction open"
        )

    async def _connections(self) -> set[str]:
        """Return the workers' connections to the database, each with its state and its transaction."""
        return set((await asyncio.to_thread(self.postgres.psql, CONNECTIONS, self.database)).splitlines())

    async def take_letters(self) -> int:
        """Move the dead letters from their queue to `letters`; return the number of waiting events."""
        waiting, letters = await read_queues(self.rabbit.url, self.topology)
        self.letters.extend(letters)
        return waiting

    async def close(self) -> None:
        """Kill every worker and close the producer's connection."""
        for replica in self.replicas:
            await replica.kill()
        await self.producer.close()

    def tails(self) -> str:
        """Return the last log lines of every replica."""
        return "\n".join(f"--- {replica.pid}\n{replica.tail()}" for replica in self.replicas)


async def _stop(replica: Replica) -> None:
    await replica.logged("broker.connected")  # before that a signal ends the interpreter, not the worker
    assert await replica.stop() == 0, replica.tail()
