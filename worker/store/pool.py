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


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool connects, `dsn` asked for anew at each connection; times in seconds.

    `target` is what a server must be: the primary, one that takes writes too, or rather a standby.
    `command_timeout` bounds every call on our side, cancelling included (MagicStack/asyncpg#1326);
    `settings` are PostgreSQL's own parameters for each session; `pooler` is what stands in between.
    """

    dsn: Callable[[], str] = field(repr=False)
    name: str
    size: int
    connect_timeout: float
    command_timeout: float
    target: SessionAttribute
    settings: dict[str, str] = field(default_factory=dict)
    pooler: Pooler = "none"


async def _leave(_: Connection) -> None:
    """Ask nothing of the server when a connection comes back: nobody here changes a session's settings."""


async def open_pool(options: PoolOptions) -> Pool:
    """Return a pool that connects when it is first asked for a connection.

    Of several servers in the URL the first that is the `target` is taken, so that an old primary is left
    after a fail-over.
    """
    settings = {"application_name": f"{APPLICATION} {options.name}", **options.settings}
    return await asyncpg.create_pool(
        connect=lambda *_, **given: connect(options.dsn(), options.pooler, settings, **given),
        min_size=0,
        max_size=options.size,
        timeout=options.connect_timeout,
        command_timeout=options.command_timeout,
        target_session_attrs=options.target,
        reset=_leave,
        connection_class=TransactionPooledConnection
        if options.pooler == "transaction"
        else asyncpg.Connection,
    )
