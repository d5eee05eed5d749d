"""Connection pools to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from worker.store.pgbouncer import Pooler, TransactionPooledConnection, connect
from worker.store.silence import SilenceWatch, WatchedConnection, reset_for_pool

Pool = asyncpg.Pool
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
APPLICATION: Final = "session-store"
IS_PRIMARY: Final = SessionAttribute.primary
TAKES_WRITES: Final = SessionAttribute.read_write
MAY_STAND_BY: Final = SessionAttribute.prefer_standby


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """How a pool connects; the DSN is read again for each connection, times are in seconds.

    `target` is the kind of server to take: the primary, one that takes writes, or preferably a standby.
    `command_timeout` bounds every call on our side, cancelling included (MagicStack/asyncpg#1326). `settings` are
    PostgreSQL's parameters for each session, `pooler` is the mode of a pooler in front of the server.
    """

    dsn: Callable[[], str] = field(repr=False)
    name: str
    size: int
    connect_timeout: float
    command_timeout: float
    target: SessionAttribute
    settings: dict[str, str] = field(default_factory=dict)
    pooler: Pooler = "none"


async def open_pool(options: PoolOptions, watch: SilenceWatch | None = None) -> Pool:
    """Return a pool that connects when a connection is first needed; a `watch` gets every connection.

    Of several servers in the URL it takes the first that is the `target`, so it leaves an old primary after a
    fail-over.
    """

    async def connect_watched(*_: object, **given: Any) -> asyncpg.Connection:
        connection = await _connect(options, **given)
        if watch and isinstance(connection, WatchedConnection):
            watch.add(connection)
        return connection

    return await asyncpg.create_pool(
        connect=connect_watched,
        min_size=0,
        max_size=options.size,
        timeout=options.connect_timeout,
        command_timeout=options.command_timeout,
        target_session_attrs=options.target,
        reset=reset_for_pool,
        connection_class=_class_of(options),
    )


@asynccontextmanager
async def watched_pool(options: PoolOptions) -> AsyncIterator[Pool]:
    """Yield a pool that ends calls over connections that went silent, and leave the watch ended, not the pool."""

    async def connect_to_ask(timeout: float) -> asyncpg.Connection:
        return await _connect(
            options, timeout=timeout, target_session_attrs=options.target, connection_class=_class_of(options)
        )

    watch = SilenceWatch(options.name, connect_to_ask)
    pool = await open_pool(options, watch)
    task = asyncio.create_task(watch.run(pool.expire_connections))
    try:
        yield pool
    finally:
        task.cancel()
        watch.close()


async def _connect(options: PoolOptions, **given: Any) -> asyncpg.Connection:
    settings = {"application_name": f"{APPLICATION} {options.name}", **options.settings}
    return await connect(options.dsn(), options.pooler, settings, **given)


def _class_of(options: PoolOptions) -> type[WatchedConnection]:
    return TransactionPooledConnection if options.pooler == "transaction" else WatchedConnection
