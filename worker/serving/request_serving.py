"""Answers requests while a session lasts; the loss of their queue costs events nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

import structlog

from contracts.topology import Topology
from worker.broker.consumer import PRIORITY_REQUESTS
from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable
from worker.observability.metrics import Metrics
from worker.rpc.server import RpcServer
from worker.serving.renewal import Renewal
from worker.serving.scope import CANCEL_SECONDS, FLUSH_SECONDS, SessionScope

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
        former: Callable[[], Coroutine[None, None, None]] | None = None
        async with asyncio.TaskGroup() as tasks:
            while intake := await self._open_intake():
                serving = tasks.create_task(self._scope.run(intake, self._open_server(intake).run()))
                if former:
                    tasks.create_task(former())
                if await self._watch_until(serving, intake):
                    former = partial(self._retire, intake, serving)
                    continue
                await serving
                if self._scope.is_over:
                    return
                former, reason = None, intake.lost.result() if intake.lost.done() else ""
                log.warning("requests.interrupted", reason=reason)
                await self._scope.sleep(PROBE_SECONDS)

    async def _retire(self, intake: Intake, serving: asyncio.Task[None]) -> None:
        """Close an intake that another one has replaced, once its requests are answered."""
        await intake.stop(CANCEL_SECONDS, hold=False)
        await serving
        await asyncio.sleep(FLUSH_SECONDS)
        await intake.close()

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

    async def _watch_until(self, serving: asyncio.Task[None], intake: Intake) -> bool:
        """Watch over an intake while it is served; return whether it is to be replaced."""
        watching = asyncio.create_task(self._watch(intake))
        try:
            await asyncio.wait((watching, serving), return_when=asyncio.FIRST_COMPLETED)
            return watching.done() and watching.result()
        finally:
            watching.cancel()

    async def _watch(self, intake: Intake) -> bool:
        """Look at the queue now and then; close the intake once the broker no longer knows its consumer.

        Two certain counts in a row decide. Returns True, with the intake open, when it is to be replaced (`Renewal`).
        """
        looks_without_consumer = 0
        renewal = Renewal(intake, self._scope.broker.release)
        while intake.is_open and looks_without_consumer < LOOKS_WITHOUT_CONSUMER:
            if renewal.is_due():
                return True
            try:
                state = await self._scope.broker.queue_state(self._queue)
            except BrokerUnavailable:
                break
            if state.is_certain:
                self._metrics.show_queue(self._label, state.messages, state.consumers)
                looks_without_consumer = 0 if state.consumers else looks_without_consumer + 1
            await intake.wait_while_open(WATCH_SECONDS)
        await intake.close()
        return False
