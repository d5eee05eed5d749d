"""The questions that are answered from the database, each from one snapshot."""

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
from worker.store.records import Json, record_of, records_in_order
from worker.store.shared_reads import SharedReads

SORT_COLUMNS = {
    "createdAt": "started_at",
    "startedAt": "started_at",
    "updatedAt": "updated_at",
    "completedAt": "completed_at",
}


SHORTEST_SECONDS = 0.001
GRACE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and the cursor of the page after them; None after the last."""

    records: list[Json]
    next_cursor: str | None


class Since(NamedTuple):
    """The revision applied last, 0 when none was, and the record, if that revision is the wanted one or newer."""

    applied: int
    record: Json | None


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
        self._releasing: set[asyncio.Future[None]] = set()

    def note_layout(self, *, is_partitioned: bool) -> None:
        """Read by id as is fast on this layout; both ways are right on both."""
        self._is_partitioned = is_partitioned

    async def read(self, session_id: str, timeout: float) -> Json | None:
        """Return the record of a session, or None when it is not there."""
        with translated():
            return await self._reads.read(session_id, timeout)

    async def read_many(self, session_ids: Sequence[str], timeout: float) -> list[Json | None]:
        """Return the records in the order asked."""
        asked, most = list(session_ids), len(session_ids)
        if self._is_partitioned:
            rows = await self._fetch("read_placed_sessions", timeout, asked, most=most)
        else:
            rows = await self._fetch("read_sessions", timeout, asked, most=most)
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
        return Since(row["applied"], None if row["session_id"] is None else record_of(row[1:]))

    async def query(self, wanted: Filter, options: QueryOptions, timeout: float) -> Page:
        """Return one page; raises CursorRefused for a cursor that is not of this filter and order."""
        column = SORT_COLUMNS[options.sort_by]
        identity = _identity(wanted, column, options.sort_order)
        after = self._cursors.read(options.cursor, identity) if options.cursor else None
        rows = await self._fetch(
            f"query_by_{column}_{options.sort_order}",
            timeout,
            *filter_values(wanted),
            options.limit + 1,
            options.offset or 0,
            _text_of(after.key) if after else None,
            after.session_id if after else None,
            most=options.limit + 1,
        )
        page, more = rows[: options.limit], len(rows) > options.limit
        last = Position(page[-1][column], page[-1]["session_id"]) if more else None
        return Page([record_of(row) for row in page], self._cursors.write(last, identity) if last else None)

    async def count(self, wanted: Filter, timeout: float) -> int:
        """Return how many sessions pass the filter; the statistics have all, the complete and the others."""
        if wanted.model_fields_set <= {"completed"}:
            total, completed, active, _ = (await self._fetch("session_stats", timeout, None))[0]
            return int({None: total, True: completed, False: active}[wanted.completed])
        rows = await self._fetch("count_sessions", timeout, *filter_values(wanted))
        return int(rows[0][0])

    async def stats(self, player_id: str | None, timeout: float) -> Json:
        """Return the totals of a player, or of everybody; the average is None when no session is complete."""
        total, completed, active, average = (await self._fetch("session_stats", timeout, player_id))[0]
        return {
            "totalSessions": total,
            "completedSessions": completed,
            "activeSessions": active,
            "avgCompletionTimeSeconds": None if average is None else float(average),
        }

    async def _fetch(self, name: str, timeout: float, *values: object, most: int = 1) -> list[asyncpg.Record]:
        """Return the rows, `most` at most, in time, or leave the call to itself.

        It keeps its time itself, but the driver's own way to cancel asks the server, and waits for a frozen
        one (MagicStack/asyncpg#1326).
        """
        with translated():
            async with asyncio.timeout(timeout + GRACE_SECONDS):
                return await asyncio.shield(self._call(name, timeout, values, most))

    async def _call(
        self, name: str, timeout: float, values: Sequence[object], most: int
    ) -> list[asyncpg.Record]:
        until = monotonic() + timeout
        with translated():
            connection = await self._acquire(timeout)
            try:
                left = max(until - monotonic(), SHORTEST_SECONDS)
                return await fetch_sessions(connection, sql.statement(name), values, most, left)
            finally:
                self._give_back(connection)

    def _give_back(self, connection: PoolConnectionProxy) -> None:
        """Return the connection to the pool; nobody's answer waits for that, and a broken one is replaced."""
        task = asyncio.ensure_future(self._pool.release(connection))
        self._releasing.add(task)
        task.add_done_callback(self._given_back)

    def _given_back(self, task: asyncio.Future[None]) -> None:
        self._releasing.discard(task)
        if not task.cancelled():
            task.exception()

    async def _call_for_sessions(self, session_ids: Sequence[str], timeout: float) -> list[asyncpg.Record]:
        if self._is_partitioned:
            return await self._call("read_placed_sessions", timeout, [session_ids], len(session_ids))
        if len(session_ids) == 1:
            return await self._call("read_session", timeout, session_ids, 1)
        return await self._call("read_sessions", timeout, [session_ids], len(session_ids))

    async def _acquire(self, timeout: float) -> PoolConnectionProxy:
        """Return a connection; raises Overloaded when others had all of them, TimeoutError when none opened."""
        try:
            return await self._pool.acquire(timeout=timeout)
        except TimeoutError as error:
            if self._pool.get_size() < self._pool.get_max_size():
                raise
            raise Overloaded("no free connection to the database") from error


def filter_values(wanted: Filter) -> tuple[object, ...]:
    """Return the parameters of `session_filter.sql`, in its order; a JSON null is a value to look for."""
    given = wanted.model_fields_set
    return (
        wanted.player_id,
        wanted.completed,
        wanted.difficulty,
        _text_of(wanted.started_after),
        _text_of(wanted.started_before),
        _text_of(wanted.completed_after),
        _text_of(wanted.completed_before),
        _text_of(wanted.updated_after),
        _text_of(wanted.updated_before),
        orjson.dumps(wanted.encounter_contains).decode() if "encounter_contains" in given else None,
        orjson.dumps(wanted.state_contains).decode() if "state_contains" in given else None,
    )


def _text_of(moment: datetime | None) -> str | None:
    """Times go as text: the driver sends the first and the last moment of its calendar as infinity."""
    return moment.isoformat() if moment else None


def _identity(wanted: Filter, column: str, order: str) -> bytes:
    values = orjson.dumps(filter_values(wanted))
    return b"\0".join((column.encode(), order.encode(), values))
