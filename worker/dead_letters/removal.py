"""Takes dead letters off their queue for good, and proves it by reading the queue again."""

from typing import NamedTuple

from contracts.topology import Topology
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters


class RemovedDeadLetters(NamedTuple):
    """How many letters were removed, and how many the queue held when it was read again afterwards."""

    letters: int
    remaining: int


async def remove_dead_letters(url: str, topology: Topology, wanted: DeadLetterFilter) -> RemovedDeadLetters:
    """Remove the letters that a filter accepts; the others are where they were.

    Letters that somebody else holds at that moment, as another `dead` command does, are not seen.
    Raises TopologyError when there is no such queue, BrokerUnavailable.
    """
    removed = await _go_through(url, topology, wanted, remove=True)
    return RemovedDeadLetters(
        removed, await _go_through(url, topology, wanted, remove=False) if removed else 0
    )


async def _go_through(url: str, topology: Topology, wanted: DeadLetterFilter, *, remove: bool) -> int:
    found = 0
    async with open_dead_letters(url, topology) as dead:
        async for chosen in dead.choose(wanted):
            found += len(chosen.letters)
            if remove and chosen.letters:
                await chosen.page.remove([letter.delivery.tag for letter in chosen.letters])
    return found
