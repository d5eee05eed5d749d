"""The one call that applies events."""

import asyncio
from collections.abc import Sequence

import asyncpg

import sql
from contracts.outcomes import Outcome
from worker.errors import StorageUnavailable
from worker.store.buckets import by_bucket
from worker.store.failures import READ_ONLY, translated
from worker.store.pool import Connection, Pool
from worker.store.rows import Applied, EventRow, LedgerEntry

Round = Sequence[EventRow]
"""Events of distinct sessions, sorted by session id so that replicas lock rows in one order."""


class EventWriter:
    """Applies rounds of events; every round of one call commits, or none does.

    One for `deletes` alone applies nothing else, by a function that a login may call which may write no session.
    On Citus each bucket's share is a call and a transaction of its own, on the one node that has the bucket. A call
    of `apply` that failed may have applied some shares; applied again, their events are duplicates.
    """

    def __init__(self, pool: Pool, *, deletes: bool = False, citus: bool = False) -> None:
        self._pool = pool
        self._deletes = deletes
        self._citus = citus
        self._statement = (
            sql.statement("delete_sessions") if deletes else sql.statement("apply_session_events")
        )

    async def apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        """Apply the rounds in order in one transaction and return what became of each, by session id.

        Raises RowRefused when the database refuses the content of some event, StorageUnavailable when it
        cannot take events now; in both cases nothing is committed, unless the connection was lost in COMMIT.
        """
        try:
            return await asyncio.shield(self._apply(rounds))  # a call is never cancelled, see reader.py
        except StorageUnavailable as error:
            if error.reason == READ_ONLY:  # an old primary: only new connections lead to the new one
                await self._pool.expire_connections()
            raise

    async def _apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        if not self._citus:
            return await self._apply_together(rounds)
        shares = list(by_bucket(rounds).values())
        applying = (self._apply_together(list(share.values())) for share in shares)
        applied = await asyncio.gather(
            *applying, return_exceptions=True
        )  # none is left at work when one fails
        found: list[dict[str, Applied]] = [{} for _ in rounds]
        for share, answers in zip(shares, applied, strict=True):
            if isinstance(answers, BaseException):
                raise answers
            for place, answer in zip(share, answers, strict=True):
                found[place].update(answer)
        return found

    async def _apply_together(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        with translated():
            async with self._pool.acquire() as connection:
                if len(rounds) == 1:
                    return [await self._apply_round(connection, rounds[0])]
                async with connection.transaction():
                    return [await self._apply_round(connection, events) for events in rounds]

    async def _apply_round(self, connection: Connection, events: Round) -> dict[str, Applied]:
        columns = list(zip(*events, strict=True))
        if self._deletes:
            *columns, are_deletes = columns[:5]
            if not all(are_deletes):
                raise AssertionError("a write among deletes")
        records = await connection.fetch(self._statement, *columns)
        return {record[0]: _applied(record) for record in records}


def _applied(record: asyncpg.Record) -> Applied:
    _, outcome, revision, event_id, before = record
    entry = None if revision is None else LedgerEntry(revision, event_id, Outcome(before))
    return Applied(Outcome(outcome), entry)
