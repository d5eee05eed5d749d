"""The composition root: builds the worker, runs it, and stops it in a written order.

Start: pools, schema check, broker, topology check, publisher, requests, events.
Stop: consumers are cancelled, what was delivered is settled and answered, the broker's connections are closed, then
the pools. One background task that dies ends the process: there is no half-alive worker.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from importlib.metadata import version
from time import monotonic

import structlog

from contracts.topology import Topology
from worker.backoff import Backoff
from worker.broker.session import BrokerOptions
from worker.broker.signatures import Keys, SignaturePolicy, SignatureVerifier
from worker.broker.supervisor import BrokerSupervisor
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.removal import RemovedDeadLetters, remove_dead_letters
from worker.errors import StorageUnavailable
from worker.observability.health import Health, WorkerState
from worker.observability.heartbeat import Heartbeat, running
from worker.observability.history import History
from worker.observability.http.server import listening
from worker.observability.log_dedup import Deduplicator
from worker.observability.metrics import Metrics
from worker.observability.systemd import SystemdNotifier
from worker.observability.worker_view import WorkerView
from worker.rpc.answers import Result
from worker.serving.serving import Serving
from worker.settings.config import Loaded, Settings
from worker.settings.keyring import FixedKeyring, ReloadingKeyring, keyring_of
from worker.settings.reloading_url import ReloadingUrl
from worker.store.storage import Storage, StorageOptions, open_storage
from worker.traces.choice import open_traces
from worker.traces.interface import NO_TRACING, Traces

log = structlog.get_logger()

DRAIN_SECONDS = 6.5  # systemd and Kubernetes are told 10; up to 3 s more go to a broker that does not answer
VERSION = version("session-store")
EXIT_FAILED = 1


class Worker:
    """One replica."""

    def __init__(
        self,
        settings: Settings,
        broker: ReloadingUrl,
        storage: Storage,
        metrics: Metrics | None = None,
        traces: Traces = NO_TRACING,
        keys: Keys | None = None,
    ) -> None:
        self._settings = settings
        self._storage = storage
        topology = Topology(settings.prefix)
        self._stop = asyncio.Event()
        self._prepared = False
        self.metrics = metrics or Metrics(VERSION)
        guard = self._guard(topology, keys or FixedKeyring(keyring_of(settings)))

        def remove(player_id: str) -> Coroutine[None, None, RemovedDeadLetters]:
            return remove_dead_letters(broker(), topology, DeadLetterFilter(player=player_id))

        self._serving = Serving(
            settings, topology, storage, self._stop, self, self.metrics, traces, guard, remove
        )
        timeout = settings.connection_timeout_ms / 1000
        options = BrokerOptions(broker, "session-store", timeout, guard.sign_reply)
        self._link = BrokerSupervisor(options, topology, settings.startup_timeout_s)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Begin to drain; `run` returns within 10 s."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped.

        Raises ConfigurationError when schema or topology are not as this program needs them,
        UnavailableError when a server did not come within the start-up timeout.
        """
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((serving,), timeout=DRAIN_SECONDS)
            if not serving.done():
                log.warning("stop.undrained", seconds=DRAIN_SECONDS)
                self._storage.abandon()
        finally:
            stopping.cancel()
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    def look(self) -> WorkerState:
        """Return how the worker is now."""
        serving = self._serving
        return WorkerState(
            prepared=self._prepared,
            stopping=self.stopping,
            broker=self._link.down_reason,
            attached=serving.is_attached,
            blocked=serving.is_blocked,
            paused=serving.paused,
            storing=serving.failure,
            changes=serving.feed_trouble,
            in_flight=serving.in_flight(),
            oldest=serving.lag(),
            reconnects=self._link.reconnects,
        )

    async def check(self) -> Result:
        """Return the result of `health.check` (contract: Request)."""
        database = "ok"
        try:
            await self._storage.ping()
        except StorageUnavailable as error:
            database = error.reason
        ok = database == "ok" and self._link.down_reason is None
        lag = round(self._serving.lag(), 3)
        return {"ok": ok, "database": database, "lagSeconds": lag, "version": VERSION}

    async def _serve(self) -> None:
        await self._wait_for_schema()
        self._prepared = True
        await self._link.keep(self._serving.serve, self._stop)

    def _guard(self, topology: Topology, keys: Keys) -> SignatureVerifier:
        settings = self._settings
        terms = SignaturePolicy(settings.signatures, topology.sessions.name, settings.signature_window_s)
        return SignatureVerifier(terms, keys, lambda fault: self.metrics.bad_signatures.labels(fault).inc())

    async def _wait_for_schema(self) -> None:
        """Return once the database has answered, lets us store, and has every migration of this program."""
        deadline, backoff = monotonic() + self._settings.startup_timeout_s, Backoff()
        while True:
            try:
                await self._storage.check_rights()
                return await self._storage.check_schema()
            except StorageUnavailable as error:
                if monotonic() >= deadline:
                    raise
                log.warning("storage.unavailable", reason=error.reason)
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.next()):
                    await self._stop.wait()
                    return None


async def run_worker(loaded: Loaded, recent: Deduplicator) -> None:
    """Run one replica until SIGTERM or SIGINT; a second one ends the process at once, which loses nothing."""
    settings = loaded.settings
    traces = open_traces(settings, VERSION)
    _collect_seldom()
    options = StorageOptions(
        ReloadingUrl(loaded, "database_url"),
        settings.pool_size,
        settings.connection_timeout_ms / 1000,
        settings.statement_timeout_ms / 1000,
        ReloadingUrl(loaded, "read_database_url") if settings.read_database_url.get_secret_value() else None,
        settings.pooler,
        settings.citus,
    )
    manager = SystemdNotifier(settings.notify_socket)
    board = WorkerView(Metrics(VERSION), Health(), History(), recent)
    async with listening(board, settings.http_host, settings.http_port), open_storage(options) as storage:
        amqp_url, keys = ReloadingUrl(loaded, "amqp_url"), ReloadingKeyring(loaded)
        worker = Worker(settings, amqp_url, storage, board.metrics, traces, keys)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop_or_exit, worker, manager)
        log.info("worker.starting", version=VERSION)
        async with running(Heartbeat(worker.look, storage, board, manager)):
            await worker.run()
        await traces.close()
        log.info("worker.stopped")


def _collect_seldom() -> None:
    """Let the cycle collector rest: a batch is thousands of objects, none in a cycle, all alive for a moment."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _stop_or_exit(worker: Worker, manager: SystemdNotifier) -> None:
    if worker.stopping:
        os._exit(EXIT_FAILED)
    log.info("worker.stopping")
    manager.tell_stopping()
    worker.stop()
