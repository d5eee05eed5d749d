"""Partition the sessions while events go on: copied in batches beside the table, compared, put in its place.

Whatever ends it in the middle, the next run goes on from there: the ledger says which sessions are copied.
"""

from dataclasses import dataclass
from typing import Final

import sql
from worker.errors import SessionStoreError
from worker.store.layout import CONVERTING, PARTITIONED, PLAIN, Plan, make_partitions, read_layout, run_script
from worker.store.pool import Connection

PORTION: Final = 500
ROUNDS: Final = 3


class ComparisonFailed(SessionStoreError):
    """Somebody else than events goes on writing to the sessions, so the two tables do not become equal."""


@dataclass(slots=True)
class CopyProgress:
    """How many sessions are copied of about so many."""

    sessions: int = 0
    of: int = 0


async def convert(connection: Connection, plan: Plan, copied: CopyProgress) -> bool:
    """Return whether there was something to do, once the sessions are partitioned; `copied` follows.

    Raises LayoutRefused before anything is changed, LayoutBusy, and ComparisonFailed, after which it may run again.
    """
    layout = await read_layout(connection)
    if layout == PARTITIONED:
        return False
    copied.of = await connection.fetchval(sql.statement("estimate_sessions"))
    if layout == PLAIN:
        while await connection.fetchval(sql.statement("forget_places")):
            pass
        await run_script(connection, "begin")
    await make_partitions(connection, plan, converting=True)
    await connection.execute(sql.statement("adopt_sessions"))
    await _copy_all(connection, copied)
    await connection.execute(sql.statement("analyze_copied_sessions"))
    await _compare(connection)
    await run_script(connection, "swap")
    return True


async def abandon(connection: Connection) -> bool:
    """Return whether there was a conversion under way, of which nothing is left."""
    if await read_layout(connection) != CONVERTING:
        return False
    await run_script(connection, "abandon")
    return True


async def _copy_all(connection: Connection, copied: CopyProgress) -> None:
    last = ""
    while rows := await connection.fetch(sql.statement("sessions_to_copy"), last, PORTION):
        ids = [row[0] for row in rows]
        copied.sessions += await connection.fetchval(sql.statement("copy_sessions"), ids)
        last = ids[-1]


async def _compare(connection: Connection) -> None:
    """Return once both tables were equal in a snapshot; from the beginning on, events change both."""
    for _ in range(ROUNDS):
        rows = await connection.fetch(sql.statement("differing_sessions"), PORTION)
        if not rows:
            return
        await connection.execute(sql.statement("adopt_sessions"))
        await connection.fetchval(sql.statement("copy_sessions"), [row[0] for row in rows])
    raise ComparisonFailed("sessions are written past the events: stop what does it, and run it again")
