"""Whether what SESSION_STORE_READ_DATABASE_URL names is a replica, and follows."""

from typing import Final

import asyncpg

import sql
from worker.errors import SessionStoreError
from worker.finding import Finding, ok, warning
from worker.store.examination.login import log_in
from worker.store.failures import translated
from worker.store.migrations import status_of

VARIABLE: Final = "SESSION_STORE_READ_DATABASE_URL"
MOST_SECONDS_BEHIND: Final = 10.0


async def examine_replica(url: str, timeout: float) -> Finding:
    """Find a replica that is away, no replica, without the schema, or far behind; workers do without it."""
    try:
        with translated():
            replica = await log_in(url, timeout)
    except SessionStoreError as error:
        return warning(
            f"the primary answers everything: {error}", f"start the replica, or correct {VARIABLE}"
        )
    try:
        return await replica.ask(_examine)
    finally:
        await replica.close()


async def _examine(connection: asyncpg.Connection) -> Finding:
    [row] = await connection.fetch(sql.statement("examine_replica"))
    if not row["is_standby"]:
        return warning("the server is a primary", f"name a streaming replica in {VARIABLE}")
    if (await status_of(connection)).pending:
        return warning(
            "it lacks migrations that the primary answers with", f"name a replica of it in {VARIABLE}"
        )
    if row["lag_seconds"] > MOST_SECONDS_BEHIND:
        said = f"its replay is {row['lag_seconds']:.0f} s behind"
        return warning(said, "look for pg_wal_replay_pause(), long queries there, and its disk")
    return ok(f"it follows, {row['lag_seconds']:.1f} s behind")
