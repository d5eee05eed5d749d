"""Answers reads from the database, each from one snapshot."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import NamedTuple

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

import sql
from contracts.requests import Filter, QueryOptions
from worker.errors import Overloaded
from worker.store.chunked_fetch import fetch_sessions
from worker.store.cursor import CursorCodec, Position
from worker.store.failures import translated
from worker.store.pool import Pool
from worker.store.records import Json, Record, record_of, records_in_order
from worker.store.shared_reads import SharedReads
from worker.store.uncancelled import uncancelled

SORT_COLUMNS = {
    "createdAt": "started_at",
    "startedAt": "started_at",
    "updatedAt": "updated_at",
    "completedAt": "completed_at",
}

MIN_SECONDS = 0.001
GRACE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Page:
    """Records, and the cursor of the next page; None on the last page."""

    records: list[Record]
    next_cursor: str | None


class Since(NamedTuple):
    """The newest revision applied, 0 when there is none, and the record where that revision is new enough."""

    applied: int
    record: Record | None


class SessionReader:
    """Answers reads; every method takes the seconds it may take.

    Raises StorageUnavailable when the database cannot answer now, Overloaded when no connection became free, and
    AnswerTooLarge for more sessions than an answer may have bytes.
    """

    def __init__(self, pool: Pool, cursors: CursorCodec) -> None:
        self._pool = pool
        self._cursors = cursors
        self._reads = SharedReads(self._call_for_sessions)
        self._is_partitioned = False
        self._releases: set[asyncio.Future[None]] = set()

    def use_layout(self, *, is_partitioned: bool) -> None:
        """Read by id as is fast on this layout; either way gives the same answers on both."""
        self._is_partitioned = is_partitioned

    async def read(self, session_id: str, timeout: float) -> Record | None:
        """Return the record of a session, or None when it is not there."""
        with translated():
            return await self._reads.read(session_id, timeout)

    async def read_many(self, session_ids: Sequence[str], timeout: float) -> list[Record | None]:
        """Return the records in the order of the ids; None where there is no such session."""
        ids, max_rows = list(session_ids), len(session_ids)
        if self._is_partitioned:
            rows = await self._fetch("read_placed_sessions", timeout, ids, max_rows=max_rows)
        else:
            rows = await self._fetch("read_sessions", timeout, ids, max_rows=max_rows)
        return records_in_order(rows, session_ids)

    async def read_since(self, session_id: str, revision: int, timeout: float) -> Since:
        """Return the latest revision applied to a session, and its record if that is `revision` or newer."""
        if self._is_partitioned:
            rows = await self._fetch("read_placed_session_since", timeout, session_id, revision)
        else:
            rows = await self._fetch("read_session_since", timeout, session_id, revision)
        if not rows:
            return Since(0, None)
        [row] = rows
        return Since(row["applied"], None if row["session_id"] is None else record_of(row))

    async def query(self, filter: Filter, options: QueryOptions, timeout: float) -> Page:
        """Return one page; raises CursorRefused for a cursor that is not of this filter and order."""
        column = SORT_COLUMNS[options.sort_by]
        identity = _identity(filter, column, options.sort_order)
        after = self._cursors.read(options.cursor, identity) if options.cursor else None
        rows = await self._fetch(
            f"query_by_{column}_{options.sort_order}",
            timeout,
            *filter_values(filter),
            options.limit + 1,
            options.offset or 0,
            after.key if after else None,
            after.session_id if after else None,
            max_rows=options.limit + 1,
        )
        page, more = rows[: options.limit], len(rows) > options.limit
        last = Position(page[-1]["position"], page[-1]["session_id"]) if more else None
        return Page([record_of(row) for row in page], self._cursors.write(last, identity) if last else None)

    async def count(self, filter: Filter, timeout: float) -> int:
        """Return how many sessions pass the filter; without another condition than `completed` by the statistics."""
        if filter.model_fields_set <= {"completed"}:
            [totals] = await self._fetch("session_stats", timeout, None)
            column = {None: "total_sessions", True: "completed_sessions", False: "active_sessions"}
            return int(totals[column[filter.completed]])
        rows = await self._fetch("count_sessions", timeout, *filter_values(filter))
        return int(rows[0]["count"])

    async def stats(self, player_id: str | None, timeout: float) -> Json:
        """Return the totals of a player, or of all players; the average is None when no session is complete."""
        [totals] = await self._fetch("session_stats", timeout, player_id)
        average = totals["avg_completion_time_seconds"]
        return {
            "totalSessions": totals["total_sessions"],
            "completedSessions": totals["completed_sessions"],
            "activeSessions": totals["active_sessions"],
            "avgCompletionTimeSeconds": None if average is None else float(average),
        }

    async def _fetch(
        self, name: str, timeout: float, *values: object, max_rows: int = 1
    ) -> list[asyncpg.Record]:
        """Return at most `max_rows` rows; raises StorageUnavailable after the timeout, and leaves the call running.

        The call has the same timeout and ends by itself. It is not cancelled, because the driver cancels by asking
        the server, and waits for a frozen one (MagicStack/asyncpg#1326).
        """
        with translated():
            async with asyncio.timeout(timeout + GRACE_SECONDS):
                return await uncancelled(self._call(name, timeout, values, max_rows))

    async def _call(
        self, name: str, timeout: float, values: Sequence[object], max_rows: int
    ) -> list[asyncpg.Record]:
        until = monotonic() + timeout
        with translated():
            connection = await self._acquire(timeout)
            try:
                left = max(until - monotonic(), MIN_SECONDS)
                return await fetch_sessions(connection, sql.statement(name), values, max_rows, left)
            finally:
                self._release(connection)

    def _release(self, connection: PoolConnectionProxy) -> None:
        """Return the connection to the pool; no answer waits for that, and the pool replaces a broken one."""
        task = asyncio.ensure_future(self._pool.release(connection))
        self._releases.add(task)
        task.add_done_callback(self._released)

    def _released(self, task: asyncio.Future[None]) -> None:
        self._releases.discard(task)
        if not task.cancelled():
            task.exception()

    async def _call_for_sessions(self, session_ids: Sequence[str], timeout: float) -> list[asyncpg.Record]:
        if self._is_partitioned:
            return await self._call("read_placed_sessions", timeout, [session_ids], len(session_ids))
        if len(session_ids) == 1:
            return await self._call("read_session", timeout, session_ids, 1)
        return await self._call("read_sessions", timeout, [session_ids], len(session_ids))

    async def _acquire(self, timeout: float) -> PoolConnectionProxy:
        """Return a connection; raises Overloaded when all stayed in use, TimeoutError when none could be opened."""
        try:
            return await self._pool.acquire(timeout=timeout)
        except TimeoutError as error:
            if self._pool.get_size() < self._pool.get_max_size():
                raise
            raise Overloaded("no free connection to the database") from error


def filter_values(filter: Filter) -> tuple[object, ...]:
    """Return the parameters of `session_filter.sql`, in its order; a JSON null in a containment is a value."""
    given = filter.model_fields_set
    return (
        filter.player_id,
        filter.completed,
        filter.difficulty,
        _text_of(filter.started_after),
        _text_of(filter.started_before),
        _text_of(filter.completed_after),
        _text_of(filter.completed_before),
        _text_of(filter.updated_after),
        _text_of(filter.updated_before),
        orjson.dumps(filter.encounter_contains).decode() if "encounter_contains" in given else None,
        orjson.dumps(filter.state_contains).decode() if "state_contains" in given else None,
    )


def _text_of(moment: datetime | None) -> str | None:
    """Times are sent as text: the driver sends the first and the last moment of its calendar as infinity."""
    return moment.isoformat() if moment else None


def _identity(filter: Filter, column: str, order: str) -> bytes:
    values = orjson.dumps(filter_values(filter))
    return b"\0".join((column.encode(), order.encode(), values))
