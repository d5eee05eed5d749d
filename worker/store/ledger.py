"""Reads the ledger outside the write path."""

from collections.abc import Sequence

import asyncpg

import sql
from contracts.outcomes import Outcome
from worker.store.failures import translated
from worker.store.pool import Pool
from worker.store.rows import LedgerEntry


class LedgerReader:
    """Reads the ledger; raises StorageUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, session_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """Return the last event applied to each session, by id; a session without an event is left out."""
        with translated():
            rows = await self._pool.fetch(sql.statement("read_ledger_entries"), list(session_ids))
        return {row["session_id"]: _entry_of(row) for row in rows}


def _entry_of(row: asyncpg.Record) -> LedgerEntry:
    return LedgerEntry(row["revision"], row["event_id"], Outcome(row["outcome"]))
