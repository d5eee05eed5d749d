"""The one call that applies events: of sessions in one database, of deletes alone, or on Citus."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import asyncpg

import sql
from contracts.outcomes import Outcome
from worker.errors import RowRefused, StorageUnavailable
from worker.store.buckets import by_bucket
from worker.store.control import ControlEvent
from worker.store.failures import READ_ONLY, translated
from worker.store.pool import Connection, Pool
from worker.store.rows import Applied, EventRow, LedgerEntry
from worker.store.uncancelled import uncancelled

SEPARATOR: Final = "\x1f"
ABSENT: Final = "\x1e"
NULL: Final = "NULL"

Round = Sequence[EventRow]
"""Events of distinct sessions, sorted by session id so that replicas lock rows in one order."""

ApplyRound = Callable[[Connection, Round], Awaitable[list[asyncpg.Record]]]
"""Applies a round and returns a row for each event: its session id, its outcome, and the ledger's entry before it."""


class EventWriter:
    """Applies rounds of events; every round of one call commits, or none does."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._control = ControlEvent()

    async def apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        """Apply the rounds in order in one transaction and return the decision on each event, by session id.

        Raises RowRefused when the database refuses the content of some event, StorageUnavailable when it
        cannot take events now, or refuses every event; in both cases nothing is committed, unless the connection was
        lost in COMMIT.
        """
        try:
            return await uncancelled(self._apply_or_wait(rounds))
        except StorageUnavailable as error:
            if error.reason == READ_ONLY:  # an old primary: only new connections lead to the new one
                await self._pool.expire_connections()
            raise

    async def _apply_or_wait(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        try:
            applied = await self._apply(rounds)
        except RowRefused as refused:
            await self._check_control(refused)
            raise
        self._control.note(rounds[-1][-1])
        return applied

    async def _check_control(self, refused: RowRefused) -> None:
        """Raise StorageUnavailable if the database refuses a control event too: the cause is not the content."""
        try:
            await self._rehearse_control()
        except RowRefused as error:
            if error.sqlstate == refused.sqlstate:
                raise StorageUnavailable(f"refuses every event, SQLSTATE {error.sqlstate}") from error

    async def _rehearse_control(self) -> None:
        await self._rehearse([self._control.make()], _apply_events)

    async def _rehearse(self, events: Round, apply_round: ApplyRound) -> None:
        """Apply a round in a transaction that is rolled back; raises as `apply` does."""
        with translated():
            async with self._pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    await apply_round(connection, events)
                    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                finally:
                    await transaction.rollback()

    async def _apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        return await self._commit(rounds, _apply_events)

    async def _commit(self, rounds: Sequence[Round], apply_round: ApplyRound) -> list[dict[str, Applied]]:
        """Apply the rounds in one transaction."""
        with translated():
            async with self._pool.acquire() as connection:
                if len(rounds) == 1:
                    return [_applied(await apply_round(connection, rounds[0]))]
                async with connection.transaction():
                    return [_applied(await apply_round(connection, events)) for events in rounds]


class DeleteWriter(EventWriter):
    """Applies deletes alone, by a function that a login may call which may write no session.

    Raises AssertionError for a round that holds a write.
    """

    async def _apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        return await self._commit(rounds, _apply_deletes)

    async def _rehearse_control(self) -> None:
        await self._rehearse([self._control.make_delete()], _apply_deletes)


class CitusEventWriter(EventWriter):
    """Applies the events of each bucket in a transaction of its own, on the one node that has the bucket.

    A call that failed may have applied some; applied again, they are duplicates.
    """

    async def _apply(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        shares = by_bucket(rounds)
        committing = (self._commit(list(share.values()), _apply_events) for share in shares.values())
        results = await asyncio.gather(*committing, return_exceptions=True)  # so that all end when one fails
        merged: list[dict[str, Applied]] = [{} for _ in rounds]
        for share, applied in zip(shares.values(), results, strict=True):
            if isinstance(applied, BaseException):
                raise applied
            for place, by_session in zip(share, applied, strict=True):
                merged[place].update(by_session)
        return merged


async def _apply_events(connection: Connection, events: Round) -> list[asyncpg.Record]:
    return await connection.fetch(sql.statement("apply_session_events"), *columns_of(events))


def columns_of(events: Round) -> tuple[str | bytes, ...]:
    """Return the parameters of `apply_session_events.sql`: each a column, its values in one text.

    The driver takes many times as long for an array. No value holds a separator: control characters are neither in an
    id nor, unescaped, in JSON.
    """
    ids, revisions, event_ids, expected, deletes, players, encounters, states, extras, *times = zip(
        *events, strict=True
    )
    return (
        SEPARATOR.join(ids),
        _literal(map(str, revisions)),
        _literal([b"".join([event_id.bytes for event_id in event_ids]).hex(",", 16)]),
        _literal([NULL if value is None else str(value) for value in expected]),
        _literal(map(str, deletes)),
        SEPARATOR.join([player or ABSENT for player in players]),
        *(
            SEPARATOR.encode().join([value or ABSENT.encode() for value in column])
            for column in (encounters, states, extras)
        ),
        *(_literal([value or NULL for value in column]) for column in times),
    )


def _literal(values: Iterable[str]) -> str:
    return f"{{{','.join(values)}}}"


async def _apply_deletes(connection: Connection, events: Round) -> list[asyncpg.Record]:
    if not all(event.is_delete for event in events):
        raise AssertionError("a write among deletes")
    return await connection.fetch(
        sql.statement("delete_sessions"),
        [event.session_id for event in events],
        [event.revision for event in events],
        [event.event_id for event in events],
        [event.expected_revision for event in events],
    )


def _applied(rows: Sequence[asyncpg.Record]) -> dict[str, Applied]:
    return {row["session_id"]: Applied(Outcome(row["outcome"]), _entry_before(row)) for row in rows}


def _entry_before(row: asyncpg.Record) -> LedgerEntry | None:
    if row["prior_revision"] is None:
        return None
    return LedgerEntry(row["prior_revision"], row["prior_event_id"], Outcome(row["prior_outcome"]))
