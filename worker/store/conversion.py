"""Partitions the sessions while events continue: copies them in batches, compares, and swaps the tables.

After any interruption the next run continues: the ledger marks the copied sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sql
from worker.errors import SessionStoreError
from worker.store.layout import CONVERTING, PARTITIONED, PLAIN, Plan, make_partitions, read_layout, run_script
from worker.store.pool import Connection

CHUNK_ROWS: Final = 500
ROUNDS: Final = 3


class ComparisonFailed(SessionStoreError):
    """A program other than the workers keeps writing to the sessions, so the two tables never become equal."""


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """The number of sessions copied by this run, and about how many there are in all."""

    sessions: int = 0
    total: int = 0


OnProgress = Callable[[CopyProgress], None]


def ignore_progress(_progress: CopyProgress) -> None:
    """Do nothing."""


async def convert(
    connection: Connection, plan: Plan, on_progress: OnProgress = ignore_progress
) -> CopyProgress | None:
    """Return the final progress once the sessions are partitioned; None where they were already.

    Raises LayoutRefused before anything is changed, LayoutBusy, and ComparisonFailed, after which it may run again.
    """
    layout = await read_layout(connection)
    if layout == PARTITIONED:
        return None
    total = await connection.fetchval(sql.statement("estimate_sessions"))
    if layout == PLAIN:
        while await connection.fetchval(sql.statement("clear_places")):
            pass
        await run_script(connection, "begin")
    await make_partitions(connection, plan, converting=True)
    await connection.execute(sql.statement("adopt_sessions"))
    copied = await _copy_all(connection, total, on_progress)
    await connection.execute(sql.statement("analyze_copied_sessions"))
    await _compare(connection)
    await run_script(connection, "swap")
    return copied


async def abandon(connection: Connection) -> bool:
    """Return whether there was a conversion under way, of which nothing is left."""
    if await read_layout(connection) != CONVERTING:
        return False
    await run_script(connection, "abandon")
    return True


async def _copy_all(connection: Connection, total: int, on_progress: OnProgress) -> CopyProgress:
    last, progress = "", CopyProgress(total=total)
    while rows := await connection.fetch(sql.statement("sessions_to_copy"), last, CHUNK_ROWS):
        ids = [row[0] for row in rows]
        copied = await connection.fetchval(sql.statement("copy_sessions"), ids)
        last, progress = ids[-1], CopyProgress(progress.sessions + copied, total)
        on_progress(progress)
    return progress


async def _compare(connection: Connection) -> None:
    """Return once both tables were equal in a snapshot; from the beginning on, events change both."""
    for _ in range(ROUNDS):
        rows = await connection.fetch(sql.statement("differing_sessions"), CHUNK_ROWS)
        if not rows:
            return
        await connection.execute(sql.statement("adopt_sessions"))
        await connection.fetchval(sql.statement("copy_sessions"), [row[0] for row in rows])
    raise ComparisonFailed("a program writes sessions without events: stop it, and run the command again")
