"""Looks at the broker's queues now and then, for as long as a session to the broker lasts."""

from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable, TopologyError
from worker.observability.metrics import Metrics
from worker.serving.scope import SessionScope

log = structlog.get_logger()

PROBE_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 10.0


class QueueWatch:
    """Marks the session as lost when the broker no longer knows our consumers (rabbitmq-server#5927 and others)."""

    def __init__(self, scope: SessionScope, topology: Topology, metrics: Metrics) -> None:
        self._scope = scope
        self._topology = topology
        self._metrics = metrics

    async def run(self) -> None:
        """Return once the session is over.

        A queue that was declared anew between the session's check and our consumers' start did not cancel them:
        so the topology is checked once more while they are there.
        """
        broker = self._scope.broker
        rounds = 0
        while not self._scope.is_over:
            before = broker.open_intakes
            try:
                unconsumed = await self._check_queues()
                if rounds == 1:
                    await broker.check(self._topology)
            except (BrokerUnavailable, TopologyError) as error:
                broker.mark_lost(str(error))
                return
            lasting = (
                before & broker.open_intakes
            )  # others came or went meanwhile, as when consuming is paused
            if not self._scope.stop.is_set() and any(intake.queues & unconsumed for intake in lasting):
                broker.mark_lost("the broker has lost a consumer")
                return
            rounds += 1
            await self._scope.sleep(WATCH_SECONDS)

    async def _check_queues(self) -> frozenset[str]:
        """Show the state of each queue and return those without a consumer; raises BrokerUnavailable.

        The queue of requests is looked at only while this worker consumes it: its node may be down.
        """
        unconsumed, ours = set[str](), self._scope.broker.consumed_queues
        for queue in self._topology.queues:
            if queue == self._topology.rpc_queue and queue.name not in ours:
                continue
            state = await self._scope.broker.queue_state(queue.name)
            self._metrics.show_queue(queue.name.removeprefix(self._topology.prefix), *state)
            if not state.consumers:
                unconsumed.add(queue.name)
        return frozenset(unconsumed)


async def open_request_intake(scope: SessionScope, queue: str, prefetch: int) -> Intake | None:
    """Return a started intake of requests once their queue is there; None when the session is over before.

    A classic queue is on one node of a cluster, and nobody may declare it elsewhere while that is down.
    """
    away = False
    while not scope.is_over:
        try:
            await scope.broker.queue_state(queue)
            intake = await scope.broker.open_intake((queue,), prefetch)
        except BrokerUnavailable as error:
            if not (away or scope.broker.lost.done()):
                log.error("requests.unavailable", reason=str(error))
            away = True
            await scope.sleep(PROBE_SECONDS)
        else:
            if away:
                log.info("requests.available")
            return intake
    return None
