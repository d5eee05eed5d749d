"""Cuts a worker's connection after every few bytes of one batch's conversation."""

from typing import Final

from tests.support.servers.link import Direction
from tests.support.servers.proxy import Proxy
from tests.support.stage.stage import Stage

BOTH: Final = (Direction.TO_SERVER, Direction.TO_CLIENT)


async def measure_conversation(stage: Stage, proxy: Proxy, direction: Direction) -> int:
    """Return the number of bytes in this direction from the delivery of one event until it is settled."""
    await stage.probe()
    before = proxy.counters.forwarded[direction]
    await stage.probe()
    return proxy.counters.forwarded[direction] - before


async def cut_everywhere(stage: Stage, proxy: Proxy, samples: int | None) -> int:
    """Cut at `samples` places in each direction, or after every byte; return the number of cuts.

    Every event must get its confirmation in spite of the cut.
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
