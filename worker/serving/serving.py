"""Serves one session to the broker: events, requests, and a watch over both."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.broker.publisher import Publisher
from worker.broker.session import BrokerSession
from worker.broker.signatures import SignatureVerifier
from worker.errors import BrokerUnavailable, StorageUnavailable, TopologyError
from worker.failpoint import failpoint_from
from worker.ingest.erase_path import ErasePath, RemoveDeadLetters
from worker.ingest.erasing import Eraser
from worker.ingest.feed import Feed
from worker.ingest.settle import Settler
from worker.ingest.write_path import Limits, WritePath
from worker.observability.metrics import Metrics
from worker.rpc.answers import Answers, Health
from worker.rpc.dispatch import Dispatcher
from worker.rpc.server import RpcServer
from worker.serving.draining import until_stopped
from worker.serving.queue_watch import check_queues, sleep_unless_over
from worker.serving.requests import RequestServing
from worker.settings.config import Settings
from worker.store.storage import Storage
from worker.traces.interface import Traces

log = structlog.get_logger()

WATCH_SECONDS = 10.0
PROBE_SECONDS = 1.0
QUIET_PREFETCH = 32


class Serving:
    """What a replica does while it has a session."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        storage: Storage,
        stop: asyncio.Event,
        health: Health,
        metrics: Metrics,
        traces: Traces,
        guard: SignatureVerifier,
        remove: RemoveDeadLetters,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._limits = Limits(
            settings.batch_size, settings.body_limit, settings.patience_s, guard.refuse_event
        )
        self._topology = topology
        self._storage = storage
        self._stop = stop
        self._metrics = metrics
        self._traces = traces
        self._remove_dead_letters = remove
        self._session: BrokerSession | None = None
        self._intakes: dict[str, Intake] = {}
        self._reach = failpoint_from(settings.failpoint)
        self._path: WritePath | None = None
        self._feed: Feed | None = None
        answers = Answers(storage.reader, health, traces)
        self._dispatcher = Dispatcher(answers, metrics.count_request, traces)
        self._requests = RequestServing(topology, settings.rpc_concurrency, self._rpc_server, metrics, stop)
        self.paused = False

    def lag(self) -> float:
        """Return the age in seconds of the oldest event delivered and not yet settled."""
        return self._path.lag() if self._path else 0.0

    @property
    def is_attached(self) -> bool:
        """Whether events and requests are consumed."""
        intake = self._intakes.get(self._topology.write_queue.name)
        return intake is not None and intake.is_open and self._requests.is_attached

    @property
    def is_blocked(self) -> bool:
        """Whether the broker takes nothing that is published."""
        return self._session is not None and self._session.blocked

    @property
    def failure(self) -> str | None:
        """Why the last attempt to store failed; None when it did not."""
        return self._path.failure if self._path else None

    @property
    def feed_trouble(self) -> str | None:
        """Why the broker refuses the changes feed; None when it does not."""
        return self._feed.trouble if self._feed else None

    def in_flight(self) -> int:
        """Return how many events are delivered and not acknowledged."""
        intake = self._intakes.get(self._topology.write_queue.name)
        return intake.unacknowledged if intake and intake.is_open else 0

    async def serve(self, session: BrokerSession) -> None:
        """Serve until the session is lost, or everything that was delivered is settled after a stop."""
        self._session = session
        try:
            publisher = await session.open_publisher()
            self._feed = await self._open_feed(session)
        except BrokerUnavailable as error:
            session.lose(str(error))
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._requests.serve(session))
            tasks.create_task(self._store_events(session, publisher))
            tasks.create_task(self._erase_players(session, publisher))
            tasks.create_task(self._watch(session))

    async def _open_feed(self, session: BrokerSession) -> Feed | None:
        """Return the changes feed of a session; None where it is off."""
        if not self._settings.changes_feed:
            return None
        return Feed(self._topology, await session.open_changes(), self._metrics, self._guard)

    def _settler(self, session: BrokerSession, publisher: Publisher) -> Settler:
        return Settler(self._topology, publisher, session.replies, self._metrics, self._reach, self._feed)

    async def _store_events(self, session: BrokerSession, publisher: Publisher) -> None:
        """Store events; while the database is away for long, leave them with the broker."""
        queues = (self._topology.write_queue.name, self._topology.delete_queue.name)
        settler = self._settler(session, publisher)
        prefetch = self._settings.prefetch
        while intake := await self._open_intake(session, queues, prefetch, QUIET_PREFETCH):
            writer = self._storage.writer
            self._path = WritePath(
                intake, writer, settler, self._limits, self._metrics, self._reach, self._traces
            )
            await until_stopped(intake, self._path.run(), self._stop)
            if not self._path.gave_up:
                self._end(session, intake)
                return
            await self._wait_for_database(session, self._path)

    async def _erase_players(self, session: BrokerSession, publisher: Publisher) -> None:
        if intake := await self._open_intake(session, (self._topology.erase_queue.name,), prefetch=1):
            settler = self._settler(session, publisher)
            announce = partial(self._feed.announce_removals, intake=intake) if self._feed else None
            eraser = Eraser(self._storage.erasures, self._storage.writer, announce)
            path = ErasePath(
                intake,
                eraser,
                self._remove_dead_letters,
                settler,
                self._limits.body,
                self._metrics,
                self._limits.find_fault,
            )
            await until_stopped(intake, path.run(), self._stop, hold=False)
            self._end(session, intake)

    def _rpc_server(self, intake: Intake, session: BrokerSession) -> RpcServer:
        return RpcServer(
            intake,
            session.replies,
            self._dispatcher,
            self._topology,
            self._settings.statement_timeout_ms / 1000,
            self._metrics,
            self._traces,
            self._guard,
        )

    async def _open_intake(
        self, session: BrokerSession, queues: Sequence[str], prefetch: int, quiet: int = 0
    ) -> Intake | None:
        """Return a started intake; None when there is no use in one any more."""
        if self._is_over(session):
            return None
        try:
            intake = self._intakes[queues[0]] = await session.open_intake(queues, prefetch, quiet)
        except BrokerUnavailable as error:
            session.lose(str(error))
            return None
        return intake

    def _end(self, session: BrokerSession, intake: Intake) -> None:
        if not self._stop.is_set():
            session.lose(intake.lost.result() if intake.lost.done() else "the intake ended")

    async def _wait_for_database(self, session: BrokerSession, path: WritePath) -> None:
        self.paused = True
        log.error("consuming.paused", reason="the database is away")
        while not self._is_over(session):
            try:
                await self._storage.ping_writer()
                await path.try_again()
            except StorageUnavailable:
                await sleep_unless_over(session, self._stop, PROBE_SECONDS)
            else:
                log.info("consuming.resumed")
                break
        self.paused = False

    async def _watch(self, session: BrokerSession) -> None:
        """Lose the session when the broker no longer knows our consumers (rabbitmq-server#5927 and others).

        A queue that was declared anew after the session was checked and before they came did not cancel
        them: so what is declared is checked once more with them there.
        """
        looks = 0  # at the first look they are not attached yet
        while not self._is_over(session):
            try:
                consumed = await check_queues(session, self._topology, self._metrics)
                if looks == 1:
                    await session.check(self._topology)
            except (BrokerUnavailable, TopologyError) as error:
                session.lose(str(error))
                return
            if looks and not consumed and not self.paused and not self._stop.is_set():
                session.lose("the broker has lost a consumer")
                return
            looks += 1
            await sleep_unless_over(session, self._stop, WATCH_SECONDS)

    def _is_over(self, session: BrokerSession) -> bool:
        return self._stop.is_set() or session.lost.done()
