"""Looks at the broker's queues now and then, for as long as a session to the broker lasts."""

from collections.abc import Callable
from typing import Final

import structlog

from contracts.topology import Topology
from worker.errors import BrokerUnavailable, TopologyError
from worker.observability.health import ServingState
from worker.observability.metrics import Metrics
from worker.serving.scope import SessionScope

log = structlog.get_logger()

WATCH_SECONDS: Final = 10.0


class QueueWatch:
    """Marks the session as lost when the broker no longer knows our consumers (rabbitmq-server#5927 and others)."""

    def __init__(
        self, scope: SessionScope, topology: Topology, metrics: Metrics, state: Callable[[], ServingState]
    ) -> None:
        self._scope = scope
        self._topology = topology
        self._metrics = metrics
        self._state = state

    async def run(self) -> None:
        """Return once the session is over.

        A queue that was declared anew between the session's check and our consumers' start did not cancel them:
        so the topology is checked once more while they are there.
        """
        broker = self._scope.broker
        rounds = 0  # in the first one the consumers are not attached yet
        while not self._scope.is_over:
            try:
                consumed = await self._check_queues()
                if rounds == 1:
                    await broker.check(self._topology)
            except (BrokerUnavailable, TopologyError) as error:
                broker.mark_lost(str(error))
                return
            if rounds and not consumed and not self._state().paused and not self._scope.stop.is_set():
                broker.mark_lost("the broker has lost a consumer")
                return
            rounds += 1
            await self._scope.sleep(WATCH_SECONDS)

    async def _check_queues(self) -> bool:
        """Return whether every queue of events has a consumer; raises BrokerUnavailable."""
        consumed = True
        for queue in self._topology.event_queues:
            state = await self._scope.broker.queue_state(queue.name)
            self._metrics.show_queue(queue.name.removeprefix(self._topology.prefix), *state)
            consumed = consumed and (state.consumers > 0 or queue == self._topology.dead_queue)
        return consumed
