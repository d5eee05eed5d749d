"""Connections that lead through a pooler such as PgBouncer, which takes no settings with the login.

`session`: a server belongs to a connection for as long as that lasts; settings follow the login. `transaction`: only
for as long as a transaction lasts, so nothing outlives one: neither settings, which the role has then
(`sql/roles.sql`), nor prepared statements.
"""

from typing import Any, Literal

import asyncpg

from worker.store.failures import reaching

Pooler = Literal["none", "session", "transaction"]
"""What stands between a worker and the server."""

SET = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)"


class TransactionPooledConnection(asyncpg.Connection):
    """A connection that asks within a transaction, always: a call has several turns, and needs one server for all."""

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
    """Return a connection whose session has these settings, unless a pooler lends it a server by the transaction."""
    with reaching(dsn):
        return await _connect(dsn, pooler, settings, options)


async def _connect(
    dsn: str, pooler: Pooler, settings: dict[str, str], options: dict[str, Any]
) -> asyncpg.Connection:
    match pooler:
        case "none":
            return await asyncpg.connect(dsn, server_settings=settings, **options)
        case "session":
            connection: asyncpg.Connection = await asyncpg.connect(dsn, **options)
            try:
                await connection.fetch(SET, list(settings), list(settings.values()))
            except BaseException:
                connection.terminate()
                raise
            return connection
        case "transaction":
            return await asyncpg.connect(dsn, statement_cache_size=0, **options)
