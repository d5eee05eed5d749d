"""The broker's side for people: compares it with what this program was written for."""

from contracts.topology import Topology
from worker.broker.connection import connected
from worker.broker.topology import Difference, find_differences

NAME = "session-store topology"
TIMEOUT_SECONDS = 10.0


async def check_topology(url: str, topology: Topology) -> dict[str, Difference]:
    """Return what is missing or differs, by name; changes nothing."""
    async with connected(url, NAME, TIMEOUT_SECONDS) as connection:
        return await find_differences(connection, topology.declared)
