"""The broker's side for people: declare it, or compare it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.topology import Topology
from worker.broker.connection import FilteredConnection, close_quietly, open_connection
from worker.broker.topology import Difference, declare, find_differences

TIMEOUT_SECONDS = 10.0


async def declare_topology(url: str, topology: Topology) -> None:
    """Leave the whole topology declared; raises TopologyError when something is there and differs."""
    async with _connected(url) as connection:
        await declare(connection, topology)


async def check_topology(url: str, topology: Topology) -> dict[str, Difference]:
    """Return what is missing or differs, by name; changes nothing."""
    async with _connected(url) as connection:
        return await find_differences(connection, topology)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[FilteredConnection]:
    connection = await open_connection(url, "session-store topology", TIMEOUT_SECONDS)
    try:
        yield connection
    finally:
        await close_quietly(connection)
