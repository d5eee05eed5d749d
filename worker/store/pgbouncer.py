"""Connections through a pooler such as PgBouncer, which takes no settings with the login.

`session`: a server belongs to a connection as long as the connection lasts; settings are sent after the login.
`transaction`: a server belongs to a connection during a transaction only. Nothing outlives the transaction: the role
has the settings (`sql/roles.sql`), and statements are not prepared.
"""

from typing import Any, Final, Literal

import asyncpg

from worker.errors import DatabaseRefused, StorageUnavailable
from worker.store import connecting
from worker.store.failures import POOLED
from worker.store.silence import WatchedConnection

NO_SERVER: Final = "the pooler reaches no server, or refuses a parameter"

Pooler = Literal["none", "session", "transaction"]
"""The pooler between a worker and the server, by the way it lends servers."""

SET = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)"


class TransactionPooledConnection(WatchedConnection):
    """Makes every call in a transaction: the round trips of a call need the same server."""

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """Return the rows, as asyncpg does."""
        if self.is_in_transaction():
            return await super().fetch(query, *args, **options)
        async with self.transaction():
            return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        """Return the first row, as asyncpg does."""
        if self.is_in_transaction():
            return await super().fetchrow(query, *args, **options)
        async with self.transaction():
            return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """Return one value of the first row, as asyncpg does."""
        if self.is_in_transaction():
            return await super().fetchval(query, *args, **options)
        async with self.transaction():
            return await super().fetchval(query, *args, **options)


async def connect(dsn: str, pooler: Pooler, settings: dict[str, str], **options: Any) -> asyncpg.Connection:
    """Return a connection with these settings; with the pooler `transaction` the role has them."""
    match pooler:
        case "none":
            return await connecting.connect(dsn, settings=settings, **options)
        case "session":
            connection = await _connect_to_pooler(dsn, **options)
            try:
                await connection.fetch(SET, list(settings), list(settings.values()))
            except BaseException:
                connection.terminate()
                raise
            return connection
        case "transaction":
            return await _connect_to_pooler(dsn, statement_cache_size=0, **options)


async def _connect_to_pooler(dsn: str, **options: Any) -> asyncpg.Connection:
    """Return a connection; a pooler whose server is away refuses each login with the code of a wrong parameter."""
    try:
        return await connecting.connect(dsn, **options)
    except DatabaseRefused as error:
        if error.reason != POOLED:
            raise
        unavailable = StorageUnavailable(NO_SERVER)
        for note in error.__notes__:
            unavailable.add_note(note)
        raise unavailable from error
