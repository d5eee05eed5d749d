"""Connection pools to PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from worker.store.failures import translated

Pool = asyncpg.Pool
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
APPLICATION: Final = "session-store"


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool connects, `dsn` asked for anew at each connection; times in seconds.

    `command_timeout` bounds every call on our side, cancelling included (MagicStack/asyncpg#1326);
    `settings` are PostgreSQL's own parameters for each session.
    """

    dsn: Callable[[], str] = field(repr=False)
    name: str
    size: int
    connect_timeout: float
    command_timeout: float
    settings: dict[str, str] = field(default_factory=dict)


async def open_pool(options: PoolOptions) -> Pool:
    """Return a pool that has connected once; raises StorageUnavailable when it cannot.

    A connection goes to a server that takes writes, so that an old primary is left after a fail-over.
    """
    with translated():
        return await asyncpg.create_pool(
            connect=lambda *_, **given: asyncpg.connect(options.dsn(), **given),
            min_size=0,
            max_size=options.size,
            timeout=options.connect_timeout,
            command_timeout=options.command_timeout,
            server_settings={"application_name": f"{APPLICATION} {options.name}", **options.settings},
        )
