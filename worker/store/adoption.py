"""The state of a database that the original storage plugin used: objects that were replaced, rows with odd times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

import sql
from worker.store.migrations import connection_to
from worker.store.pool import Connection

MOST_SESSIONS: Final = 5
"""So many sessions are named; one more is read, which says that there are others."""

SCAN_SECONDS: Final = 1.0

_ORDER: Final = "an index of the same queries, read in both orders: queries stay as they are"
INSTEAD: Final = {
    "active_sessions": "a view with the columns session_id, player_id, encounter, state, started_at, "
    "duration_seconds",
    "get_session_stats": "a function with the columns total_sessions, completed_sessions, active_sessions, "
    "avg_completion_time_seconds",
    "idx_sessions_difficulty": "an index of the column difficulty: write difficulty = 'hard' in place of "
    "encounter->>'difficulty' = 'hard'",
    "idx_sessions_incomplete": "an index of everybody's open sessions by their start; a player's are found by "
    "idx_sessions_player_id",
    "idx_sessions_completed_at": _ORDER,
    "idx_sessions_player_id": _ORDER,
    "idx_sessions_started_at": _ORDER,
}
"""The object that now has the name of an object of the plugin, and the change that SQL needs."""


@dataclass(frozen=True, slots=True)
class ReplacedObject:
    """An object of the storage plugin that is another one now: its name and its definition before."""

    name: str
    definition: str

    @property
    def instead(self) -> str:
        """The object that has the name now."""
        return INSTEAD.get(self.name, "another object")


@dataclass(frozen=True, slots=True)
class OddTimes:
    """A session with times that no answer can hold, and the names of their columns."""

    session_id: str
    columns: str


@dataclass(frozen=True, slots=True)
class FoundTimes:
    """The first sessions with times that no answer can hold; without `is_complete` of start and completion alone."""

    sessions: Sequence[OddTimes]
    is_complete: bool

    def __str__(self) -> str:
        """The sessions as text: each one's id and columns."""
        named = [f"{each.session_id!r} ({each.columns})" for each in self.sessions[:MOST_SESSIONS]]
        return ", ".join([*named, "and others"] if len(self.sessions) > MOST_SESSIONS else named)


@dataclass(frozen=True, slots=True)
class Adoption:
    """The objects that were replaced, and the first sessions with odd times."""

    replaced: Sequence[ReplacedObject]
    times: FoundTimes


async def read_adoption(dsn: str, scan_seconds: float | None = SCAN_SECONDS) -> Adoption:
    """Return the state of a migrated database; the times as `read_times`. Raises StorageUnavailable."""
    async with connection_to(dsn) as connection:
        return Adoption(await read_replaced(connection), await read_times(connection, scan_seconds))


async def read_replaced(connection: Connection) -> list[ReplacedObject]:
    """Return the objects of the storage plugin that the migrations replaced."""
    return [ReplacedObject(*row) for row in await connection.fetch(sql.statement("examine_replaced"))]


async def read_times(connection: Connection, scan_seconds: float | None = SCAN_SECONDS) -> FoundTimes:
    """Return the first sessions with times that no answer can represent.

    This reads every row. After this number of seconds (None: without a limit) it gives up, and returns only the
    sessions that indexes find.
    """
    limit = "0" if scan_seconds is None else f"{scan_seconds * 1000:.0f}"
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {limit}")
            rows = await connection.fetch(sql.statement("examine_all_times"), MOST_SESSIONS + 1)
    except asyncpg.QueryCanceledError:
        rows = await connection.fetch(sql.statement("examine_times"), MOST_SESSIONS + 1)
        return FoundTimes([OddTimes(*row) for row in rows], is_complete=False)
    return FoundTimes([OddTimes(*row) for row in rows], is_complete=True)
