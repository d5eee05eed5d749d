"""Everything the worker knows of PostgreSQL: two pools, so that neither reads nor writes starve the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import sql
from worker.errors import RightsError
from worker.store.aged import Retention
from worker.store.cursor import CursorCodec
from worker.store.erasures import Erasures
from worker.store.failures import translated
from worker.store.layout import PARTITIONED
from worker.store.ledger import LedgerReader
from worker.store.migrations import refuse_if_behind, status_of
from worker.store.pgbouncer import Pooler
from worker.store.pool import IS_PRIMARY, MAY_STAND_BY, TAKES_WRITES, Pool, PoolOptions, open_pool
from worker.store.reader import SessionReader
from worker.store.replica import Replica
from worker.store.replica_reader import ReplicaFirstReader
from worker.store.snapshot import SnapshotReader
from worker.store.writer import EventWriter

WRITE_CONNECTIONS = 2  # one for each batch in flight
CLOSE_SECONDS = 2.0
PING_SECONDS = 2.0

READ_SETTINGS = {
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",  # a filter that is not given must not cost its index
}


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How to reach the database, `dsn` asked for anew at each connection, as is a replica's, where there is one.

    `pool_size` is all connections together, but for a replica's, which has as many for reading; times in seconds.
    """

    dsn: Callable[[], str] = field(repr=False)
    pool_size: int
    connect_timeout: float
    statement_timeout: float
    replica_dsn: Callable[[], str] | None = field(default=None, repr=False)
    pooler: Pooler = "none"
    citus: bool = False


class PoolUsage(NamedTuple):
    """Open connections that wait, those in use, and the most there may be."""

    idle: int
    used: int
    size: int


class Storage:
    """The database as the worker uses it."""

    def __init__(
        self,
        writing: Pool,
        reading: Pool,
        cursors: CursorCodec,
        replica: Replica | None,
        writer: EventWriter,
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._pools = {"write": writing, "read": reading, **({"replica": replica.pool} if replica else {})}
        self.replica = replica
        self.writer = writer
        self.deleter = EventWriter(writing, deletes=True)
        self.reader = (
            ReplicaFirstReader(reading, replica, cursors) if replica else SessionReader(reading, cursors)
        )
        self.ledger = LedgerReader(reading)
        self.snapshot = SnapshotReader(reading)
        self.retention = Retention(reading, writing)
        self.erasures = Erasures(writing)

    async def ping(self) -> None:
        """Return if the database answers a read now; raises StorageUnavailable."""
        with translated():
            async with self._reading.acquire(timeout=PING_SECONDS) as connection:
                await connection.execute("SELECT 1", timeout=PING_SECONDS)

    async def ping_writer(self) -> None:
        """Return if the database takes writes now; raises StorageUnavailable."""
        with translated():
            async with self._writing.acquire(timeout=PING_SECONDS) as connection:
                await connection.execute("SELECT 1", timeout=PING_SECONDS)

    async def check_schema(self, timeout: float | None = None) -> None:
        """Raise SchemaError when the database lacks a migration of this program, StorageUnavailable when away.

        One that is ahead will do: migrations add first, so that old and new workers run side by side. How sessions
        are read by id follows from what is found here.
        """
        with translated():
            async with self._reading.acquire(timeout=timeout) as connection:
                refuse_if_behind(await status_of(connection))
                layout = await connection.fetchval(sql.statement("read_layout"))
        self.reader.note_layout(is_partitioned=layout == PARTITIONED)

    async def check_rights(self) -> None:
        """Raise RightsError when the login lacks a right that a worker needs, StorageUnavailable when away.

        A login that may read and not store would attach, and look ready until the first event.
        """
        with translated():
            async with self._reading.acquire() as connection:
                rows = await connection.fetch(sql.statement("examine_rights"))
        if rows:
            lacking = ", ".join(row["lacking"] for row in rows)
            raise RightsError(
                f"the database's login lacks {lacking}; run session-store roles as a superuser, and log in as "
                "session_store_worker"
            )

    async def probe(self) -> None:
        """As `check_schema`, but waits no longer than 2 s for a connection; its caller bounds the rest."""
        await self.check_schema(PING_SECONDS)

    def usage(self) -> dict[str, PoolUsage]:
        """Return how the connections of each pool are used now."""
        return {
            name: PoolUsage(pool.get_idle_size(), pool.get_size() - pool.get_idle_size(), pool.get_max_size())
            for name, pool in self._pools.items()
        }

    def abandon(self) -> None:
        """Cut every connection: calls that hang end at once, with StorageUnavailable."""
        for pool in self._pools.values():
            pool.terminate()

    async def close(self) -> None:
        """Leave every connection closed; one that is still busy is cut after 2 s."""
        for pool in self._pools.values():
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()


@asynccontextmanager
async def open_storage(options: StorageOptions) -> AsyncIterator[Storage]:
    """Yield the storage; connections are opened when they are needed."""
    milliseconds = str(int(options.statement_timeout * 1000))
    common = {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "default_transaction_isolation": "read committed",  # `apply_session_events` relies on it
    }
    bounds = (options.connect_timeout, options.statement_timeout + 1)
    reads, pooler = options.pool_size - WRITE_CONNECTIONS, options.pooler
    writing = await open_pool(
        PoolOptions(options.dsn, "write", WRITE_CONNECTIONS, *bounds, TAKES_WRITES, common, pooler)
    )
    reading = await open_pool(
        PoolOptions(options.dsn, "read", reads, *bounds, IS_PRIMARY, {**common, **READ_SETTINGS}, pooler)
    )
    replica = None
    if dsn := options.replica_dsn:
        near = PoolOptions(dsn, "replica", reads, *bounds, MAY_STAND_BY, {**common, **READ_SETTINGS}, pooler)
        replica = Replica(await open_pool(near))
    writer = EventWriter(writing, citus=options.citus)
    storage = Storage(writing, reading, CursorCodec(options.dsn()), replica, writer)
    try:
        yield storage
    finally:
        await storage.close()
