"""The broker's side for people: declare it, or compare it."""

from contracts.topology import Topology
from worker.broker.connection import connected
from worker.broker.topology import Difference, declare, find_differences

NAME = "session-store topology"
TIMEOUT_SECONDS = 10.0


async def declare_topology(url: str, topology: Topology) -> None:
    """Leave the whole topology declared; raises TopologyError when something is there and differs."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        await declare(connection, topology)


async def check_topology(url: str, topology: Topology) -> dict[str, Difference]:
    """Return what is missing or differs, by name; changes nothing."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        return await find_differences(connection, topology)
