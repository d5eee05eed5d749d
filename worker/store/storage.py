"""The database as the worker uses it: two pools, so that neither reads nor writes starve the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import time
from typing import NamedTuple

import sql
from worker.errors import RightsError
from worker.settings.config import Settings
from worker.store.cursor import CursorCodec
from worker.store.erasures import Erasures
from worker.store.expired import Retention
from worker.store.failures import translated
from worker.store.layout import PARTITIONED
from worker.store.ledger import LedgerReader
from worker.store.migrations import refuse_if_behind, status_of
from worker.store.pgbouncer import Pooler
from worker.store.pool import (
    IS_PRIMARY,
    MAY_STAND_BY,
    TAKES_WRITES,
    Pool,
    PoolOptions,
    open_pool,
    watched_pool,
)
from worker.store.reader import SessionReader
from worker.store.replica import Replica
from worker.store.replica_reader import ReplicaFirstReader
from worker.store.snapshot import SnapshotReader
from worker.store.unfit import refuse_unfit
from worker.store.writer import CitusEventWriter, DeleteWriter, EventWriter

WRITE_CONNECTIONS = 2  # one for each batch in flight
CLOSE_SECONDS = 2.0
PING_SECONDS = 2.0

NOTICE_DEAD_CLIENTS = {  # in a minute and not in two hours: a backend whose client is gone keeps its locks
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
READ_SETTINGS = {
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",  # an absent filter must not keep a query from its index
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """How to reach the database, and its replica where there is one; both DSNs are read again for each connection.

    `pool_size` counts all connections but the replica's, which has as many as there are for reading. Times are in
    seconds.
    """

    dsn: Callable[[], str] = field(repr=False)
    pool_size: int
    connect_timeout: float
    statement_timeout: float
    replica_dsn: Callable[[], str] | None = field(default=None, repr=False)
    pooler: Pooler = "none"
    citus: bool = False


def storage_options(
    settings: Settings,
    *,
    dsn: Callable[[], str] | None = None,
    replica_dsn: Callable[[], str] | None = None,
    statement_timeout: float | None = None,
) -> StorageOptions:
    """Return the options that the settings ask for; a DSN that is given replaces the one in the settings.

    `statement_timeout` is in seconds.
    """
    return StorageOptions(
        dsn=dsn or settings.database_url.get_secret_value,
        replica_dsn=replica_dsn,
        pool_size=settings.pool_size,
        connect_timeout=settings.connection_timeout_s,
        statement_timeout=statement_timeout or settings.statement_timeout_s,
        pooler=settings.pooler,
        citus=settings.citus,
    )


class PoolUsage(NamedTuple):
    """The idle connections, those in use, and the maximum."""

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
        self._ahead = 0.0  # seconds of the server's clock before this host's
        self._pools = {"write": writing, "read": reading, **({"replica": replica.pool} if replica else {})}
        self.replica = replica
        self.writer = writer
        self.deleter = DeleteWriter(writing)
        self.reader = (
            ReplicaFirstReader(reading, replica, cursors) if replica else SessionReader(reading, cursors)
        )
        self.ledger = LedgerReader(reading)
        self.snapshot = SnapshotReader(reading)
        self.retention = Retention(reading, writing)
        self.erasures = Erasures(writing)

    def latest_now(self) -> float:
        """Return the later of this host's clock and the database's, in seconds since the epoch.

        A host may start with a clock in the past. The database's is as of the last check of the schema.
        """
        return time() + max(0.0, self._ahead)

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

    async def check_schema(self, timeout: float | None = None) -> str:
        """Return the layout of the sessions, PARTITIONED or another.

        Raises SchemaError when the database is unfit or lacks a migration of this program, StorageUnavailable when
        away. A schema that is ahead will do: migrations add first, so that old and new workers run side by side.
        """
        with translated():
            async with self._reading.acquire(timeout=timeout) as connection:
                await refuse_unfit(connection)
                refuse_if_behind(await status_of(connection))
                (row,) = await connection.fetch(sql.statement("read_layout"))
                self._ahead = row["now"] - time()
                return str(row["layout"])

    async def refresh_layout(self, timeout: float | None = None) -> None:
        """Check the schema, and have the reader read by id as is fast on its layout; raises as `check_schema`."""
        layout = await self.check_schema(timeout)
        self.reader.use_layout(is_partitioned=layout == PARTITIONED)

    async def check_rights(self) -> None:
        """Raise RightsError when the login lacks a right that a worker needs, StorageUnavailable when away.

        A login that may read and not store would otherwise attach and be ready until the first event.
        """
        with translated():
            async with self._reading.acquire() as connection:
                rows = await connection.fetch(sql.statement("examine_rights"))
        if rows:
            lacking = ", ".join(row["name"] for row in rows)
            raise RightsError(
                f"the database's login lacks {lacking}; run session-store roles as a superuser, and log in as "
                "session_store_worker"
            )

    async def probe(self) -> None:
        """As `refresh_layout`, but waits no longer than 2 s for a connection; its caller bounds the rest."""
        await self.refresh_layout(PING_SECONDS)

    def usage(self) -> dict[str, PoolUsage]:
        """Return how the connections of each pool are used now."""
        return {
            name: PoolUsage(pool.get_idle_size(), pool.get_size() - pool.get_idle_size(), pool.get_max_size())
            for name, pool in self._pools.items()
        }

    def abandon(self) -> None:
        """Cut every connection: waiting calls end at once with StorageUnavailable."""
        for pool in self._pools.values():
            pool.terminate()

    async def close(self) -> None:
        """Leave every connection closed; a busy one is cut after 2 s."""
        for pool in self._pools.values():
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()


@asynccontextmanager
async def open_storage(options: StorageOptions) -> AsyncIterator[Storage]:
    """Yield the storage; connections are opened when they are needed."""
    write, read = _pool_options(options)
    async with AsyncExitStack() as stack:
        writing = await stack.enter_async_context(watched_pool(write))
        reading, replica = await stack.enter_async_context(watched_pool(read)), None
        if dsn := options.replica_dsn:
            other = replace(read, dsn=dsn, name="replica", target=MAY_STAND_BY)
            replica = Replica(await open_pool(other))
        writer = CitusEventWriter(writing) if options.citus else EventWriter(writing)
        storage = Storage(writing, reading, CursorCodec(options.dsn()), replica, writer)
        stack.push_async_callback(storage.close)
        yield storage


def _pool_options(options: StorageOptions) -> tuple[PoolOptions, PoolOptions]:
    """Return the options of the pools for writing and for reading."""
    milliseconds = str(int(options.statement_timeout * 1000))
    settings = {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "default_transaction_isolation": "read committed",  # `apply_session_events` relies on it
        **NOTICE_DEAD_CLIENTS,
    }
    write = PoolOptions(
        dsn=options.dsn,
        name="write",
        size=WRITE_CONNECTIONS,
        connect_timeout=options.connect_timeout,
        command_timeout=options.statement_timeout + 1,
        target=TAKES_WRITES,
        settings=settings,
        pooler=options.pooler,
    )
    size = options.pool_size - WRITE_CONNECTIONS
    settings = {**settings, **READ_SETTINGS}
    return write, replace(write, name="read", size=size, target=IS_PRIMARY, settings=settings)
