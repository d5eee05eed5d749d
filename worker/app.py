"""The composition root: builds the worker, runs it, and stops it in a written order.

Start: pools, schema check, broker, topology check, publisher, requests, events.
Stop: consumers are cancelled, deliveries are settled and answered, the broker's connections are closed, then
the pools. One background task that dies ends the process: there is no half-alive worker.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial

import structlog

from contracts.topology import Topology
from worker import release
from worker.broker.session import BrokerOptions
from worker.broker.signatures import Keys, SignaturePolicy, SignatureVerifier
from worker.broker.supervisor import BrokerSupervisor
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.removal import RemovedDeadLetters, remove_dead_letters
from worker.errors import StorageUnavailable
from worker.failpoint import failpoint_from
from worker.instruments import Instruments
from worker.observability.health import Health, WorkerState
from worker.observability.heartbeat import Heartbeat, running
from worker.observability.history import History
from worker.observability.http.server import listening
from worker.observability.log_dedup import Deduplicator
from worker.observability.log_output import LogOutput
from worker.observability.login_watch import LoginWatch
from worker.observability.metrics import Metrics
from worker.observability.systemd import SystemdNotifier
from worker.observability.worker_view import WorkerView
from worker.retry import Backoff, retry, sleep_unless_stopped, within
from worker.serving.context import ServingContext
from worker.serving.serving import Serving
from worker.settings.config import Settings
from worker.settings.keyring import FixedKeyring, ReloadingKeyring, keyring_of
from worker.settings.loading import Loaded
from worker.settings.reloading_url import ReloadingUrl
from worker.store.storage import Storage, open_storage, storage_options
from worker.traces.choice import open_traces

log = structlog.get_logger()

DRAIN_SECONDS = 6.5  # systemd and Kubernetes are told 10; up to 3 s more go to a broker that does not answer
EXIT_FAILED = 1


class Worker:
    """One replica."""

    def __init__(
        self,
        settings: Settings,
        amqp_url: ReloadingUrl,
        storage: Storage,
        instruments: Instruments | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._stop = asyncio.Event()
        self._prepared = False
        instruments = instruments or Instruments(Metrics(release()))
        self.metrics = instruments.metrics
        topology = Topology(settings.prefix)
        verifier = self._open_verifier(topology, keys or FixedKeyring(keyring_of(settings)))

        def remove(player_id: str) -> Coroutine[None, None, RemovedDeadLetters]:
            return remove_dead_letters(amqp_url(), topology, DeadLetterFilter(player=player_id))

        self._serving = Serving(
            ServingContext(settings, topology, storage, instruments, verifier, remove, self._stop)
        )
        timeout = settings.connection_timeout_s
        options = BrokerOptions(amqp_url, "session-store", timeout, verifier.sign_reply)
        self._supervisor = BrokerSupervisor(options, topology, settings.startup_timeout_s)

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
                log.warning("drain.timed_out", seconds=DRAIN_SECONDS)
                self._storage.abandon()
        finally:
            stopping.cancel()
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    def state(self) -> WorkerState:
        """Return the state of the worker now."""
        return WorkerState(
            prepared=self._prepared,
            stopping=self.stopping,
            broker=self._supervisor.down_reason,
            reconnects=self._supervisor.reconnects,
            login_refused=self._supervisor.login_refused,
            serving=self._serving.state(),
        )

    async def _serve(self) -> None:
        await self._wait_for_schema()
        self._prepared = True
        await self._supervisor.run(self._serving.serve, self._stop)

    def _open_verifier(self, topology: Topology, keys: Keys) -> SignatureVerifier:
        settings = self._settings
        policy = SignaturePolicy(settings.signatures, topology.sessions.name, settings.signature_window_s)
        return SignatureVerifier(policy, keys, lambda fault: self.metrics.bad_signatures.labels(fault).inc())

    async def _wait_for_schema(self) -> None:
        """Return once the database has answered, lets us store, and has every migration of this program."""
        sleep = within(self._settings.startup_timeout_s, partial(sleep_unless_stopped, self._stop))
        try:
            await retry(
                self._check_database,
                StorageUnavailable,
                sleep,
                backoff=Backoff(),
                on_failure=lambda error, _: log.warning("storage.unavailable", reason=error.reason),
            )
        except StorageUnavailable:
            if not self.stopping:
                raise

    async def _check_database(self) -> None:
        await self._storage.check_rights()
        await self._storage.refresh_layout()


async def run_worker(loaded: Loaded, deduplicator: Deduplicator, log_output: LogOutput) -> None:
    """Run one replica until SIGTERM or SIGINT; a second one ends the process at once, which loses nothing."""
    settings = loaded.settings
    traces = open_traces(settings, release())
    _collect_seldom()
    has_replica = bool(settings.read_database_url.get_secret_value())
    options = storage_options(
        settings,
        dsn=ReloadingUrl(loaded, "database_url"),
        replica_dsn=ReloadingUrl(loaded, "read_database_url") if has_replica else None,
    )
    notifier = SystemdNotifier(settings.notify_socket)
    instruments = Instruments(Metrics(release()), traces, failpoint_from(settings.failpoint))
    view = WorkerView(instruments.metrics, Health(), History(), deduplicator, log_output)
    async with listening(view, settings.http_host, settings.http_port), open_storage(options) as storage:
        amqp_url, keys = ReloadingUrl(loaded, "amqp_url"), ReloadingKeyring(loaded)
        worker = Worker(settings, amqp_url, storage, instruments, keys)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop_or_exit, worker, notifier)
        log.info("worker.starting", version=release())
        logins = LoginWatch(worker.stop if loaded.has_copied_logins else None)
        async with running(Heartbeat(worker.state, storage, view, notifier, logins)):
            await worker.run()
        await traces.close()
        logins.check()
        log.info("worker.stopped")


def _collect_seldom() -> None:
    """Let the cycle collector rest: a batch is thousands of objects, none in a cycle, all alive for a moment."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _stop_or_exit(worker: Worker, notifier: SystemdNotifier) -> None:
    if worker.stopping:
        os._exit(EXIT_FAILED)
    log.info("worker.stopping")
    notifier.notify_stopping()
    worker.stop()
