"""Ends calls over connections that went silent: a machine in between has forgotten them and notifies neither side.

The kernel ends a connection without acknowledgements (`contracts/sockets.py`). A query on a new connection finds a
proxy that acknowledges and does not forward: a backend that does not work on a call for which this side waits has not
received the call, or its answer is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

import asyncpg
import structlog

import sql
from worker.errors import SessionStoreError
from worker.store.connecting import SocketConnection

log = structlog.get_logger()

TICK_SECONDS: Final = 0.5
LONG_SECONDS: Final = 1.5
ASK_SECONDS: Final = 3.0

Connect = Callable[[float], Awaitable[asyncpg.Connection]]
"""Opens a connection as the pool does, within so many seconds."""
FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    SessionStoreError,
)


class WatchedConnection(SocketConnection):
    """Knows since when its call has waited (`waiting_since`, None without one); the kernel ends it when it is dead.

    A call that timed out counts as one that waits until the server has confirmed its end, and the pool has the
    connection back: `reset_for_pool`.
    """

    waiting_since: float | None = None

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """Return the rows, as asyncpg does."""
        return await self._waited(super().fetch(query, *args, **options))

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """Return one value of the first row, as asyncpg does."""
        return await self._waited(super().fetchval(query, *args, **options))

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        """Return the status of the command, as asyncpg does."""
        return await self._waited(super().execute(query, *args, **options))

    async def _waited(self, call: Awaitable[Any]) -> Any:
        self.waiting_since = monotonic()
        has_timed_out = False
        try:
            return await call
        except TimeoutError:
            has_timed_out = True
            raise
        finally:
            if not has_timed_out:
                self.waiting_since = None


async def reset_for_pool(connection: asyncpg.Connection) -> None:
    """Note that no call waits any more. Sends nothing to the server: no code here changes a session's settings."""
    if isinstance(connection, WatchedConnection):
        connection.waiting_since = None


class SilenceWatch:
    """Watches the connections of one pool to one server.

    Behind an address that leads to one of several servers a fresh connection says nothing of the others.
    """

    def __init__(self, name: str, connect: Connect) -> None:
        self._name = name
        self._connect = connect
        self._connections: set[WatchedConnection] = set()
        self._asking: asyncpg.Connection | None = None

    def add(self, connection: WatchedConnection) -> None:
        """Watch a connection until it is closed."""
        self._connections.add(connection)
        connection.add_termination_listener(self._connections.discard)

    async def run(self, expire: Callable[[], Awaitable[None]]) -> None:
        """Check twice a second without end; `expire` makes the pool replace the idle connections."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if waiting := self._waiting_long():
                if await self._end_silent(waiting):
                    await expire()
            elif self._asking:
                self.close()

    def _waiting_long(self) -> dict[WatchedConnection, float]:
        before = monotonic() - LONG_SECONDS
        return {
            each: each.waiting_since
            for each in self._connections
            if each.waiting_since is not None and each.waiting_since < before
        }

    async def _end_silent(self, waiting: dict[WatchedConnection, float]) -> int:
        """End the calls on which no backend works; return how many there were."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                working = await self._ask_for_working([each.get_server_pid() for each in waiting])
        except FAILURES:  # new connections do not work either: nothing is gained by the loss of the old ones
            self.close()
            return 0
        silent = [
            each
            for each, since in waiting.items()
            if each.get_server_pid() not in working and each.waiting_since == since
        ]
        for each in silent:
            each.terminate()
        if silent:
            log.warning("storage.silent", pool=self._name, connections=len(silent))
        return len(silent)

    async def _ask_for_working(self, pids: list[int]) -> set[int]:
        """Return which backends work; those that do not are ended, so that they give up their locks."""
        if self._asking is None:
            self._asking = await self._connect(ASK_SECONDS)
        if self._asking.get_server_pid() != await self._asking.fetchval("SELECT pg_backend_pid()"):
            return set(pids)  # a pooler is in between: it gives out process ids of its own
        rows = await self._asking.fetch(sql.statement("end_silent_backends"), pids)
        return {row["pid"] for row in rows if row["works"]}

    def close(self) -> None:
        """Leave the connection closed on which it asks."""
        if self._asking:
            self._asking.terminate()
            self._asking = None
