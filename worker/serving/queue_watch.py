"""Looks at the broker's queues now and then, for as long as a session to the broker lasts."""

from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable, TopologyError
from worker.observability.metrics import Metrics
from worker.serving.scope import SessionScope

log = structlog.get_logger()

WATCH_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 2.0


class QueueWatch:
    """Marks the session as lost when the broker no longer knows our consumers (rabbitmq-server#5927 and others).

    Two certain counts in a row decide, 2 s apart: a broker that is slow to count has not lost anybody.
    """

    def __init__(self, scope: SessionScope, topology: Topology, metrics: Metrics) -> None:
        self._scope = scope
        self._topology = topology
        self._metrics = metrics

    async def run(self) -> None:
        """Return once the session is over.

        A queue that was declared again between the session's check and our consumers' start did not cancel them. So
        the topology is checked once more while they consume.
        """
        broker = self._scope.broker
        rounds, suspects = 0, frozenset[Intake]()
        while not self._scope.is_over:
            before = broker.open_intakes
            try:
                unconsumed = await self._check_queues()
                if rounds == 1:
                    await broker.check(self._topology)
            except (BrokerUnavailable, TopologyError) as error:
                broker.mark_lost(str(error))
                return
            lasting = before & broker.open_intakes  # others came or went, as when consuming is paused
            missing = frozenset(intake for intake in lasting if intake.queues & unconsumed)
            if missing & suspects and not self._scope.stop.is_set():
                broker.mark_lost("the broker has lost a consumer")
                return
            rounds, suspects = rounds + 1, missing
            await self._scope.sleep(AGAIN_SECONDS if suspects else WATCH_SECONDS)

    async def _check_queues(self) -> frozenset[str]:
        """Show the state of each queue of events; return those that have no consumer. Raises BrokerUnavailable."""
        unconsumed = set[str]()
        for queue in self._topology.event_queues:
            state = await self._scope.broker.queue_state(queue.name)
            if state.is_certain:
                label = queue.name.removeprefix(self._topology.prefix)
                self._metrics.show_queue(label, state.messages, state.consumers)
                if not state.consumers:
                    unconsumed.add(queue.name)
        return frozenset(unconsumed)
