"""Reads facts of a database over one connection. It changes nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final, TypeVar

import asyncpg

import sql
from worker.errors import StorageUnavailable
from worker.store.adoption import FoundTimes, ReplacedObject, read_replaced, read_times
from worker.store.examination.facts import (
    Compression,
    ConnectionCounts,
    Encryption,
    Index,
    Layout,
    LedgerRevision,
    MissingGuard,
    NoStatistics,
    Replication,
    Right,
    Role,
    Server,
    SlowStatement,
    TableVacuum,
    Transaction,
    UnsafeSetting,
    Visibility,
)
from worker.store.failures import translated
from worker.store.layout import PARTITIONED, read_layout, read_partitions
from worker.store.migrations import MigrationStatus, status_of

CLOSE_SECONDS: Final = 1.0
STATEMENTS_SINCE: Final = (13,)  # the first release whose view has the columns that examine_statements reads

Fact = TypeVar("Fact")


class ExaminedDatabase:
    """A connection whose transactions are read-only. Every method raises StorageUnavailable."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def close(self) -> None:
        """Leave the connection closed, or cut when the server does not answer in time."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=CLOSE_SECONDS)
        self._connection.terminate()

    async def server(self) -> Server:
        """Return the facts of the server."""
        [server] = await self._fetch("examine_server", Server)
        return server

    async def clock_lead(self) -> float:
        """Return how many seconds the server's clock is ahead of this host's; negative when it is behind."""
        before = datetime.now(UTC)
        server = await self.server()
        after = datetime.now(UTC)
        return (server.clock - before).total_seconds() - (after - before).total_seconds() / 2

    async def unsafe_settings(self) -> list[UnsafeSetting]:
        """Return the settings that let a crash lose a commit."""
        return await self._fetch("examine_durability", UnsafeSetting)

    async def connection_counts(self) -> ConnectionCounts:
        """Return how many connections there may be, and how many are open."""
        [counts] = await self._fetch("examine_connections", ConnectionCounts)
        return counts

    async def migrations(self) -> MigrationStatus:
        """Return how the schema compares with this release."""
        async with self._reading():
            return await status_of(self._connection)

    async def missing_rights(self) -> list[Right]:
        """Return the rights that a worker needs and this role does not have."""
        return await self._fetch("examine_rights", Right)

    async def excess_rights(self) -> list[Right]:
        """Return the rights that this role has and a worker does not need."""
        return await self._fetch("examine_excess", Right)

    async def moved_functions(self) -> list[Right]:
        """Return the functions that look for tables in another schema than theirs."""
        return await self._fetch("examine_search_paths", Right)

    async def sessions_beyond(self, revision: int) -> list[LedgerRevision]:
        """Return a few sessions whose revision is greater than this one; the whole ledger is read."""
        return await self._fetch("examine_revisions", LedgerRevision, revision)

    async def indexes(self) -> list[Index]:
        """Return the indexes of our tables and their partitions."""
        return await self._fetch("examine_indexes", Index)

    async def layout(self) -> Layout:
        """Return how the sessions are stored."""
        async with self._reading():
            kind = await read_layout(self._connection)
            known = await read_partitions(self._connection) if kind == PARTITIONED else []
        return Layout(kind, known)

    async def replaced_objects(self) -> list[ReplacedObject]:
        """Return the objects of the original storage plugin that the migrations replaced."""
        async with self._reading():
            return await read_replaced(self._connection)

    async def odd_times(self) -> FoundTimes:
        """Return the first sessions with times that no answer can represent; the search ends after a second."""
        async with self._reading():
            return await read_times(self._connection)

    async def transactions(self, older_than: float) -> list[Transaction]:
        """Return the transactions that are older than this many seconds, oldest first."""
        return await self._fetch("examine_transactions", Transaction, older_than)

    async def visibility(self) -> Visibility:
        """Return which statistics this role may see, of other roles too."""
        [visibility] = await self._fetch("examine_sight", Visibility)
        return visibility

    async def slow_statements(self, slower_than: float) -> list[SlowStatement] | NoStatistics:
        """Return the statements whose calls take more milliseconds than this in the mean."""
        visibility = await self.visibility()
        if not visibility.has_statements or self._connection.get_server_version() < STATEMENTS_SINCE:
            return NoStatistics.NOT_INSTALLED
        try:
            return await self._fetch("examine_statements", SlowStatement, slower_than)
        except StorageUnavailable as error:
            if isinstance(error.__cause__, asyncpg.ObjectNotInPrerequisiteStateError):
                return NoStatistics.NOT_LOADED
            raise

    async def vacuum(self) -> list[TableVacuum]:
        """Return the state of autovacuum, a row for each table and partition."""
        return await self._fetch("examine_vacuum", TableVacuum)

    async def compression(self) -> list[Compression]:
        """Return how the sessions' columns are compressed, a row for each table and partition; none on Citus."""
        return await self._fetch("examine_compression", Compression)

    async def role(self) -> Role:
        """Return the attributes of this role."""
        [role] = await self._fetch("examine_role", Role)
        return role

    async def missing_guards(self) -> list[MissingGuard]:
        """Return the protections of the schema that are missing or switched off."""
        return await self._fetch("examine_guards", MissingGuard)

    async def encryption(self) -> Encryption:
        """Return how this connection is encrypted."""
        [encryption] = await self._fetch("examine_tls", Encryption)
        return encryption

    async def replication(self) -> Replication:
        """Return whether this server is a standby."""
        [replication] = await self._fetch("examine_replica", Replication)
        return replication

    async def _fetch(self, statement: str, fact: Callable[..., Fact], *arguments: object) -> list[Fact]:
        async with self._reading():
            rows = await self._connection.fetch(sql.statement(statement), *arguments)
        return [fact(**row) for row in rows]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        with translated():
            async with self._connection.transaction(readonly=True):
                yield
