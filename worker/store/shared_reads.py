"""Reads several sessions, each asked for alone at the same time, by one query."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import asyncpg

from worker.store.records import Record, record_of

MAX_SESSIONS: Final = 32  # of a query: each may have a megabyte
MAX_QUERIES: Final = 2

FetchSessions = Callable[[Sequence[str], float], Awaitable[Sequence[asyncpg.Record]]]


@dataclass(slots=True, eq=False)
class PendingRead:
    """A read, the time (monotonic, in seconds) until which its caller waits, and the future answer."""

    session_id: str
    until: float
    answer: asyncio.Future[Record | None]


class SharedReads:
    """Sends a lone read at once; the reads that come while two queries run share the next query."""

    def __init__(self, fetch: FetchSessions) -> None:
        self._fetch = fetch
        self._waiting: list[PendingRead] = []
        self._drains: set[asyncio.Task[None]] = set()

    async def read(self, session_id: str, timeout: float) -> Record | None:
        """Return the record of a session as of a moment after this call, or None when it is not there.

        Raises TimeoutError, and the errors of `fetch`.
        """
        pending = PendingRead(session_id, monotonic() + timeout, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        if len(self._drains) < MAX_QUERIES:
            task = asyncio.create_task(self._drain())
            self._drains.add(task)
        async with asyncio.timeout(timeout):
            return await pending.answer

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_SESSIONS], self._waiting[MAX_SESSIONS:]
                await self._resolve([read for read in batch if not read.answer.done()])
        finally:  # not in a callback, which runs later: a read that comes before it would never be sent
            self._drains -= {asyncio.current_task()}

    async def _resolve(self, batch: Sequence[PendingRead]) -> None:
        if not batch:
            return
        try:
            timeout = max(read.until for read in batch) - monotonic()
            rows = await self._fetch(list({read.session_id for read in batch}), timeout)
            found = {row["session_id"]: record_of(row) for row in rows}
        except Exception as error:  # every caller that waits gets the error
            for read in batch:
                if not read.answer.done():
                    read.answer.set_exception(error)
        else:
            for read in batch:
                if not read.answer.done():
                    read.answer.set_result(found.get(read.session_id))
