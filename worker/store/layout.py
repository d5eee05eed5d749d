"""How the sessions are stored: in one table, or partitioned by `startedAt`; and the partitions."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import asyncpg

import sql
from worker.errors import Overloaded, SchemaError, UnavailableError
from worker.retry import Backoff, retry, within
from worker.store.connecting import connect
from worker.store.failures import translated
from worker.store.migrations import refuse_if_behind, status_of
from worker.store.pool import APPLICATION, Connection

Kind = Literal["plain", "converting", "partitioned"]
PLAIN: Final = "plain"
CONVERTING: Final = "converting"
PARTITIONED: Final = "partitioned"
LOCK_TIMEOUT: Final = "1s"
PATIENCE_SECONDS: Final = 120.0
_LOCKED: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_REFUSAL_CLASSES: Final = (
    "0A",
    "2B",
    "42",
    "55000",
)  # not supported, a dependent object, missing rights, an obstacle


class LayoutRefused(SchemaError):
    """The database in its present state cannot have this layout, or this role may not change it."""


class LayoutBusy(UnavailableError):
    """A lock did not become free; nothing was changed, and it can be tried again."""


class PartitionInterval(StrEnum):
    """How much time a partition has."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


MAX_DAYS: Final = {
    PartitionInterval.DAY: 1,
    PartitionInterval.WEEK: 7,
    PartitionInterval.MONTH: 31,
    PartitionInterval.YEAR: 366,
}


@dataclass(frozen=True, slots=True)
class Partition:
    """From when and up to when (both None for the default one), about how many rows, bytes with indexes."""

    name: str
    starts: datetime | None
    ends: datetime | None
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Which partitions there should be: from `since` (None: now) to `ahead` of them after now.

    Each is so wide; None is as wide as the newest, or a month.

    Dates for which the default partition has `least` sessions get one too: a stray date does not.
    """

    width: PartitionInterval | None = None
    since: datetime | None = None
    ahead: int = 3
    least: int = 1000


@asynccontextmanager
async def layout_connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection that alone may change the layout, its schema checked.

    Raises Overloaded where another process does, SchemaError, LayoutRefused, StorageUnavailable.
    """
    settings = {"timezone": "UTC", "application_name": f"{APPLICATION} partition"}
    with translated():
        connection = await connect(dsn, settings=settings)
        try:
            refuse_if_behind(await status_of(connection))
            if not await connection.fetchval(sql.statement("lock_partitioning")):
                raise Overloaded("another process changes the layout; one at a time does")
            yield connection
        finally:
            await connection.close()


async def read_layout(connection: Connection) -> Kind:
    """Return how the sessions are stored."""
    kind: Kind = await connection.fetchval(sql.statement("read_layout"))
    return kind


async def read_partitions(connection: Connection) -> list[Partition]:
    """Return the partitions in the order of time, the default one last; none on the plain layout."""
    return [Partition(*row) for row in await connection.fetch(sql.statement("session_partitions"))]


async def make_partitions(connection: Connection, plan: Plan, *, converting: bool = False) -> int:
    """Return how many partitions were made; sessions of theirs that were in the default one are in them."""
    width = plan.width or _width_of(await read_partitions(connection))
    asked = (width.value, plan.since, plan.ahead, plan.least, converting)
    missing = await connection.fetch(sql.statement("missing_partitions"), *asked)
    for starts, ends in missing:
        bounds = (starts.isoformat(), ends.isoformat())
        await run_script(connection, "make_partition", sql.statement("set_partition_bounds"), *bounds)
    return len(missing)


async def maintain(connection: Connection, plan: Plan, *, drop_empty: bool) -> tuple[int, int]:
    """Return how many partitions were made, and how many dropped because they are over and empty.

    Raises LayoutRefused where the sessions are not partitioned, LayoutBusy.
    """
    if await read_layout(connection) != PARTITIONED:
        raise LayoutRefused("the sessions are not partitioned; run: session-store partition convert")
    made = await make_partitions(connection, plan)
    dropped = await drop_empty_partitions(connection) if drop_empty else 0
    await connection.execute(sql.statement("analyze_sessions"))
    return made, dropped


async def drop_empty_partitions(connection: Connection) -> int:
    """Return how many partitions of times that are over were empty, and are gone."""
    now = await connection.fetchval("SELECT now()")
    before = await read_partitions(connection)
    for partition in before:
        if partition.ends and partition.ends <= now:
            await run_script(connection, "drop_partition", sql.statement("name_partition"), partition.name)
    return len(before) - len(await read_partitions(connection))


async def run_script(connection: Connection, script: str, prepare: str | None = None, *values: str) -> None:
    """Return once a script of `sql/partitioning` is committed, this statement before it in the same transaction.

    Who waits behind it waits for a lock no longer than 1 s; it is tried again for two minutes.
    Raises LayoutRefused, LayoutBusy.
    """

    async def run() -> None:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            if prepare:
                await connection.execute(prepare, *values)
            await connection.execute(sql.script(f"partitioning/{script}"))

    try:
        await retry(run, _LOCKED, within(PATIENCE_SECONDS), backoff=Backoff())
    except _LOCKED as error:
        raise LayoutBusy("a long transaction is in the way; run it again when it has ended") from error
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(_REFUSAL_CLASSES):
            raise
        raise LayoutRefused(str(error)) from error


def _width_of(partitions: Sequence[Partition]) -> PartitionInterval:
    """Return the width of the newest partition. A partition that was cut to a gap counts as the next wider one."""
    spans = [known.ends - known.starts for known in partitions if known.starts and known.ends]
    if not spans:
        return PartitionInterval.MONTH
    return next((width for width, days in MAX_DAYS.items() if spans[-1].days <= days), PartitionInterval.YEAR)
