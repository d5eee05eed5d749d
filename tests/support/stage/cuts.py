"""Cuts a worker's connection after every so many bytes of one batch's conversation."""

from typing import Final

from tests.support.servers.link import Direction
from tests.support.servers.proxy import Proxy
from tests.support.stage.stage import Stage

BOTH: Final = (Direction.TO_SERVER, Direction.TO_CLIENT)


async def measure_conversation(stage: Stage, proxy: Proxy, direction: Direction) -> int:
    """Return how many bytes go this way from the delivery of one event to its settlement."""
    await stage.probe()
    before = proxy.counters.forwarded[direction]
    await stage.probe()
    return proxy.counters.forwarded[direction] - before


async def cut_everywhere(stage: Stage, proxy: Proxy, samples: int | None) -> int:
    """Cut after `samples` places a direction, or after every byte; return how many cuts there were.

    Every event must be told its outcome in spite of the cut in the middle of it.
    """
    cuts = 0
    for direction in BOTH:
        length = await measure_conversation(stage, proxy, direction)
        step = max(1, length // samples) if samples else 1
        for place in range(0, length + 1, step):
            happened = proxy.cut_after(place, direction)
            await stage.probe()
            cuts += happened.is_set()
            proxy.heal()
    return cuts
