"""Reads of single sessions that are asked for at the same time share a query."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import asyncpg

from worker.store.records import Json, record_of

MOST: Final = 32  # sessions a query: each may have a megabyte
IN_FLIGHT: Final = 2

FetchSessions = Callable[[Sequence[str], float], Awaitable[Sequence[asyncpg.Record]]]


@dataclass(slots=True, eq=False)
class Asked:
    """A read, the moment (monotonic, in seconds) until which its caller waits, and the answer."""

    session_id: str
    until: float
    answer: asyncio.Future[Json | None]


class SharedReads:
    """Nobody waits for a query to fill: a lone read is asked at once, those that come meanwhile go together."""

    def __init__(self, fetch: FetchSessions) -> None:
        self._fetch = fetch
        self._waiting: list[Asked] = []
        self._draining: set[asyncio.Task[None]] = set()

    async def read(self, session_id: str, timeout: float) -> Json | None:
        """Return the record of a session as of a moment after this call, or None when it is not there.

        Raises TimeoutError, and what `fetch` raises.
        """
        asked = Asked(session_id, monotonic() + timeout, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._draining) < IN_FLIGHT:
            task = asyncio.create_task(self._drain())
            self._draining.add(task)
        async with asyncio.timeout(timeout):
            return await asked.answer

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._answer([asked for asked in batch if not asked.answer.done()])
        finally:  # not in a callback, which comes later: who asks meanwhile would wait for nobody
            self._draining -= {asyncio.current_task()}

    async def _answer(self, batch: Sequence[Asked]) -> None:
        if not batch:
            return
        try:
            timeout = max(asked.until for asked in batch) - monotonic()
            rows = await self._fetch(list({asked.session_id for asked in batch}), timeout)
            found = {row["session_id"]: record_of(row) for row in rows}
        except Exception as error:  # whatever it is, it is the answer to everybody who waits
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_exception(error)
        else:
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_result(found.get(asked.session_id))
