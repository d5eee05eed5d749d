"""Looks at the broker's queues now and then, for as long as a session lasts."""

import asyncio
from contextlib import suppress

from contracts.topology import Topology
from worker.broker.session import Session
from worker.metrics import Metrics


async def look_at_queues(session: Session, topology: Topology, metrics: Metrics) -> bool:
    """Return whether every queue that workers serve has a consumer; raises BrokerUnavailable."""
    consumed = True
    for queue in topology.queues:
        found = await session.look_at(queue.name)
        metrics.show_queue(queue.name.removeprefix(topology.prefix), *found)
        consumed = consumed and (found.consumers > 0 or queue == topology.dead_queue)
    return consumed


async def rest(session: Session, stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than the session, and not on after a stop."""
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopping, session.lost), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await stopping
