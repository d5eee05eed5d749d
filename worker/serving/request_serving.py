"""Answers requests while a session lasts; the loss of their queue costs events nothing."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.consumer import PRIORITY_REQUESTS
from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable
from worker.observability.metrics import Metrics
from worker.rpc.server import RpcServer
from worker.serving.scope import SessionScope

log = structlog.get_logger()

PROBE_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 2.0
LOOKS_WITHOUT_CONSUMER: Final = 2

OpenServer = Callable[[Intake], RpcServer]


class RequestServing:
    """Consumes the queue of requests, and again whenever that ends and the session does not."""

    def __init__(
        self,
        scope: SessionScope,
        topology: Topology,
        concurrency: int,
        open_server: OpenServer,
        metrics: Metrics,
    ) -> None:
        self._scope = scope
        self._queue = topology.rpc_queue.name
        self._label = self._queue.removeprefix(topology.prefix)
        self._concurrency = concurrency
        self._open_server = open_server
        self._metrics = metrics

    async def run(self) -> None:
        """Return once the session is over, and every request that was delivered before a stop is answered."""
        while intake := await self._open_intake():
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(intake))
                await self._scope.run(intake, self._open_server(intake).run())
                watching.cancel()
            if self._scope.is_over:
                return
            log.warning("requests.interrupted", reason=intake.lost.result() if intake.lost.done() else "")
            await self._scope.sleep(PROBE_SECONDS)

    async def _open_intake(self) -> Intake | None:
        """Return a started intake once the queue is there; None when the session is over before.

        A classic queue, as of earlier releases, is on one node of a cluster, and away while that is down.
        """
        scope, away = self._scope, False
        while not scope.is_over:
            try:
                await scope.broker.queue_state(self._queue)
                intake = await scope.broker.open_intake((self._queue,), self._concurrency, PRIORITY_REQUESTS)
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

    async def _watch(self, intake: Intake) -> None:
        """Look at the queue now and then; close the intake once the broker no longer knows its consumer.

        A busy broker may count no consumer once, because it waits 250 ms for the leader: so two counts in a row
        decide. This does not notice a queue that is deleted and declared again within milliseconds: RabbitMQ 3.10.8
        then cancels no consumer, and goes on counting those of the deleted queue.
        """
        looks_without_consumer = 0
        while intake.is_open and looks_without_consumer < LOOKS_WITHOUT_CONSUMER:
            try:
                state = await self._scope.broker.queue_state(self._queue)
            except BrokerUnavailable:
                break
            self._metrics.show_queue(self._label, *state)
            looks_without_consumer = 0 if state.consumers else looks_without_consumer + 1
            await intake.wait_while_open(WATCH_SECONDS)
        await intake.close()
