"""Ends connections to the broker that went silent while new ones work: a machine in between has forgotten them.

The broker sends something at least every 5 s: a heartbeat each 2.5 s in which it sent nothing else. aiormq gives up
after 18 s; that is for a broker that is frozen, or busy, of which a new connection would be no better.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from worker.broker.connection import FilteredConnection
from worker.errors import BrokerUnavailable

log = structlog.get_logger()

TICK_SECONDS: Final = 1.0
QUIET_TICKS: Final = 6

Probe = Callable[[], Awaitable[None]]
"""Opens a new connection and closes it; raises BrokerUnavailable."""


async def end_silent_connections(
    connections: Callable[[], Iterable[FilteredConnection]], probe: Probe, *, tick: float = TICK_SECONDS
) -> None:
    """Watch the connections without end; close one that was silent for 6 s while `probe` succeeds.

    Time counts in turns of the event loop, so that a process that was frozen does not take itself for the broker.
    """
    quiet: dict[FilteredConnection, tuple[int, int]] = {}
    while True:
        await asyncio.sleep(tick)
        quiet = {each: _count(each, quiet.get(each)) for each in connections()}
        silent = {each: chunks for each, (chunks, ticks) in quiet.items() if ticks >= QUIET_TICKS}
        if not silent:
            continue
        try:
            await probe()
        except BrokerUnavailable:
            continue
        for each, chunks in silent.items():
            if each.frames.chunks == chunks:
                log.warning("broker.silent", connection=each.name)
                each.abort()


def _count(connection: FilteredConnection, before: tuple[int, int] | None) -> tuple[int, int]:
    """Return how many chunks have arrived, and for how many ticks it has been the same number."""
    chunks = connection.frames.chunks
    return chunks, before[1] + 1 if before and before[0] == chunks else 0
