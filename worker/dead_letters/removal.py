"""Removes dead letters from their queue, and proves it by reading the queue again."""

from typing import NamedTuple

from contracts.topology import Topology
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters


class RemovedDeadLetters(NamedTuple):
    """Numbers of the dead letters that were removed, and of those that a second read of the queue found."""

    removed: int
    remaining: int


async def remove_dead_letters(url: str, topology: Topology, filter: DeadLetterFilter) -> RemovedDeadLetters:
    """Remove the dead letters that the filter accepts; the others stay in their order.

    Dead letters that another consumer holds meanwhile, such as a `dead` command, are not found.
    Raises TopologyError when there is no such queue, BrokerUnavailable.
    """
    removed = await _scan(url, topology, filter, remove=True)
    return RemovedDeadLetters(removed, await _scan(url, topology, filter, remove=False) if removed else 0)


async def _scan(url: str, topology: Topology, filter: DeadLetterFilter, *, remove: bool) -> int:
    found = 0
    async with open_dead_letters(url, topology) as dead:
        async for match in dead.choose(filter):
            found += len(match.dead_letters)
            if remove and match.dead_letters:
                await match.page.remove([each.delivery.tag for each in match.dead_letters])
    return found
