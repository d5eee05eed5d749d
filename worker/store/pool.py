"""Connection pools to PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from worker.store.pgbouncer import Pooler, TransactionPooledConnection, connect

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


async def _reset_nothing(_: Connection) -> None:
    """Send nothing to the server when a connection is released: no code here changes a session's settings."""


async def open_pool(options: PoolOptions) -> Pool:
    """Return a pool that connects when a connection is first needed.

    Of several servers in the URL it takes the first that is the `target`, so it leaves an old primary after a
    fail-over.
    """
    settings = {"application_name": f"{APPLICATION} {options.name}", **options.settings}
    return await asyncpg.create_pool(
        connect=lambda *_, **given: connect(options.dsn(), options.pooler, settings, **given),
        min_size=0,
        max_size=options.size,
        timeout=options.connect_timeout,
        command_timeout=options.command_timeout,
        target_session_attrs=options.target,
        reset=_reset_nothing,
        connection_class=TransactionPooledConnection
        if options.pooler == "transaction"
        else asyncpg.Connection,
    )
