"""Connections through a pooler such as PgBouncer, which takes no settings with the login.

`session`: a server belongs to a connection as long as the connection lasts; settings are sent after the login.
`transaction`: a server belongs to a connection during a transaction only. Nothing outlives the transaction: the role
has the settings (`sql/roles.sql`), and statements are not prepared.
"""

from typing import Any, Literal

import asyncpg

from worker.store import connecting
from worker.store.silence import WatchedConnection

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
            connection = await connecting.connect(dsn, **options)
            try:
                await connection.fetch(SET, list(settings), list(settings.values()))
            except BaseException:
                connection.terminate()
                raise
            return connection
        case "transaction":
            return await connecting.connect(dsn, statement_cache_size=0, **options)
