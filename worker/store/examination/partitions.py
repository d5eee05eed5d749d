"""Whether sessions find the partition of their date."""

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from worker.finding import Finding, ok, warning
from worker.store.layout import CONVERTING, PLAIN, read_layout, read_partitions

SOON: Final = timedelta(days=2)


async def examine_partitions(connection: asyncpg.Connection) -> Finding:
    """Find a conversion that was left, and partitions that end before the next ones are made."""
    layout = await read_layout(connection)
    if layout == PLAIN:
        return ok("the sessions are in one table")
    if layout == CONVERTING:
        return warning(
            "the sessions are being partitioned, by somebody or by nobody any more",
            "session-store partition convert",
        )
    known = await read_partitions(connection)
    newest = max((partition.ends for partition in known if partition.ends), default=None)
    if newest is None or newest < datetime.now(UTC) + SOON:
        ends = f"end at {newest:%Y-%m-%d}" if newest else "are none"
        return warning(
            f"partitions {ends}; later sessions go to the default one", "session-store partition maintain"
        )
    return ok(f"{len(known)} partitions, up to {newest:%Y-%m-%d}")
