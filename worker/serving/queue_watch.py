"""Looks at the broker's queues now and then, for as long as a session lasts."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.consumer import QUIET_REQUESTS
from worker.broker.intake import Intake
from worker.broker.session import BrokerSession
from worker.errors import BrokerUnavailable
from worker.observability.metrics import Metrics

log = structlog.get_logger()

PROBE_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 10.0


async def check_queues(session: BrokerSession, topology: Topology, metrics: Metrics) -> bool:
    """Return whether every queue of events has a consumer; raises BrokerUnavailable."""
    consumed = True
    for queue in topology.event_queues:
        found = await session.look_at(queue.name)
        metrics.show_queue(queue.name.removeprefix(topology.prefix), *found)
        consumed = consumed and (found.consumers > 0 or queue == topology.dead_queue)
    return consumed


async def watch_requests(
    session: BrokerSession, topology: Topology, intake: Intake, metrics: Metrics
) -> None:
    """Look at the queue of requests now and then; close the intake once the broker has no consumer of it."""
    queue = topology.rpc_queue.name
    attached = False  # at the first look it may not be yet
    while intake.is_open:
        try:
            found = await session.look_at(queue)
        except BrokerUnavailable:
            break
        metrics.show_queue(queue.removeprefix(topology.prefix), *found)
        if attached and not found.consumers:
            break
        attached = True
        await intake.lasts(WATCH_SECONDS)
    await intake.close()


async def open_request_intake(
    session: BrokerSession, queue: str, prefetch: int, stop: asyncio.Event
) -> Intake | None:
    """Return a started intake of requests once their queue is there; None after a stop, or the session's loss.

    A classic queue, as earlier releases declared it, is on one node of a cluster, and away while that is down.
    """
    away = False
    while not (stop.is_set() or session.lost.done()):
        try:
            await session.look_at(queue)
            intake = await session.open_intake((queue,), prefetch, QUIET_REQUESTS)
        except BrokerUnavailable as error:
            if not (away or session.lost.done()):
                log.error("requests.unserved", reason=str(error))
            away = True
            await sleep_unless_over(session, stop, PROBE_SECONDS)
        else:
            if away:
                log.info("requests.served")
            return intake
    return None


async def sleep_unless_over(session: BrokerSession, stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than the session, and not on after a stop."""
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopping, session.lost), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await stopping
