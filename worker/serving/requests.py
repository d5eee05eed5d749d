"""Answers requests while a session lasts; what becomes of their queue costs events nothing."""

import asyncio
from collections.abc import Callable

import structlog

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.broker.session import BrokerSession
from worker.observability.metrics import Metrics
from worker.rpc.server import RpcServer
from worker.serving.draining import until_stopped
from worker.serving.queue_watch import PROBE_SECONDS, open_request_intake, sleep_unless_over, watch_requests

log = structlog.get_logger()

OpenServer = Callable[[Intake, BrokerSession], RpcServer]


class RequestServing:
    """Consumes the queue of requests, and does so anew whenever that ends and the session does not."""

    def __init__(
        self,
        topology: Topology,
        concurrency: int,
        open_server: OpenServer,
        metrics: Metrics,
        stop: asyncio.Event,
    ) -> None:
        self._topology = topology
        self._concurrency = concurrency
        self._open_server = open_server
        self._metrics = metrics
        self._stop = stop
        self._intake: Intake | None = None

    @property
    def is_attached(self) -> bool:
        """Whether requests are consumed."""
        return self._intake is not None and self._intake.is_open

    async def serve(self, session: BrokerSession) -> None:
        """Answer requests until a stop, when all that were delivered are answered, or the session's loss."""
        queue = self._topology.rpc_queue.name
        while intake := await open_request_intake(session, queue, self._concurrency, self._stop):
            self._intake = intake
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(watch_requests(session, self._topology, intake, self._metrics))
                await until_stopped(intake, self._open_server(intake, session).run(), self._stop)
                watching.cancel()
            if self._stop.is_set():
                return
            log.warning("requests.interrupted", reason=intake.lost.result() if intake.lost.done() else "")
            await sleep_unless_over(session, self._stop, PROBE_SECONDS)
