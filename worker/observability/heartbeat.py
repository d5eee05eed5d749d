"""Shows the state of the worker every second: health, gauges, the database, and a sample for the last hour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import structlog

from worker.errors import SchemaError, StorageUnavailable
from worker.observability.health import WorkerState, reasons_of
from worker.observability.history import SAMPLE_SECONDS
from worker.observability.login_watch import LoginWatch
from worker.observability.metrics import PARTS
from worker.observability.systemd import SystemdNotifier
from worker.observability.worker_view import WorkerView
from worker.store.failures import LOGIN_REFUSED
from worker.store.replica import Replica
from worker.store.storage import Storage

BEAT_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 2.0
MAX_PROBE_SECONDS: Final = 3.0
NOT_ASKED: Final = "not asked yet"

log = structlog.get_logger()


class Probe:
    """Asks the database every 2 s; `database` and `schema` name the fault, None when there is none."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.database: str | None = NOT_ASKED
        self.schema: str | None = None

    async def run(self) -> None:
        """Ask without end. A query that hangs counts as failed, and is not cancelled, because that could hang too.

        Each change is logged: an idle worker makes no other call that could fail.
        """
        while True:
            asking = asyncio.create_task(self._ask())
            await asyncio.wait((asking,), timeout=MAX_PROBE_SECONDS)
            if not asking.done():
                self._note("timeout", self.schema)
            await asyncio.wait((asking,))
            await asyncio.sleep(PROBE_SECONDS)

    async def _ask(self) -> None:
        try:
            await self._storage.probe()
        except StorageUnavailable as error:
            self._note(error.reason, self.schema)
        except SchemaError as error:
            self._note(None, str(error))
        else:
            self._note(None, None)

    def _note(self, database: str | None, schema: str | None) -> None:
        if database and database != self.database:
            log.warning("database.away", reason=database)
        elif self.database not in (None, NOT_ASKED) and not database:
            log.info("database.back")
        if schema and schema != self.schema:
            log.error("schema.refused", reason=schema)
        self.database, self.schema = database, schema


async def watch(replica: Replica) -> None:
    """Check the replica every 2 s without end; as with the probe, a check that hangs counts as failed."""
    while True:
        probing = asyncio.create_task(replica.probe())
        while (await asyncio.wait((probing,), timeout=MAX_PROBE_SECONDS))[1]:
            replica.mark_away("timeout")
        await probing
        await asyncio.sleep(PROBE_SECONDS)


class Heartbeat:
    """Keeps the view of one worker up to date."""

    def __init__(
        self,
        state: Callable[[], WorkerState],
        storage: Storage,
        view: WorkerView,
        notifier: SystemdNotifier,
        logins: LoginWatch,
    ) -> None:
        self._state = state
        self._storage = storage
        self._view = view
        self._notifier = notifier
        self._logins = logins
        self._probe = Probe(storage)
        self._reconnects = 0
        self._dropped_lines = 0
        self._sampled = 0.0

    async def run(self) -> None:
        """Beat once a second without end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._probe.run())
            if self._storage.replica:
                tasks.create_task(watch(self._storage.replica))
            while True:
                self._beat()
                await asyncio.sleep(BEAT_SECONDS)

    def _beat(self) -> None:
        since = self._view.health.beat()
        state = self._state()
        reasons = reasons_of(state, self._probe.database, self._probe.schema)
        self._view.health.note(reasons)
        self._notifier.notify(reasons)
        refusals = (self._probe.database, state.serving.storing)
        self._logins.note(refused=state.login_refused or LOGIN_REFUSED in refusals)
        self._show(state, since)
        metrics = self._view.metrics
        metrics.ready.set(not reasons)
        for part in PARTS:
            metrics.not_ready.labels(part).set(part in reasons)
        if monotonic() - self._sampled >= SAMPLE_SECONDS:
            self._sampled = monotonic()
            self._view.history.add(metrics.read())
        self._view.deduplicator.flush()

    def _show(self, worker: WorkerState, since: float) -> None:
        serving = worker.serving
        metrics = self._view.metrics
        metrics.loop_delay.set(max(0.0, since - BEAT_SECONDS))
        metrics.database_up.set(self._probe.database is None)
        metrics.broker_up.set(worker.broker is None)
        metrics.blocked.set(serving.blocked)
        metrics.paused.set(serving.paused)
        if serving.paused:
            metrics.paused_seconds.inc(since)
        metrics.in_flight.set(serving.in_flight)
        metrics.oldest.set(serving.lag)
        metrics.reconnects.inc(worker.reconnects - self._reconnects)
        self._reconnects = worker.reconnects
        if output := self._view.log_output:
            dropped = output.dropped
            metrics.log_dropped.inc(dropped - self._dropped_lines)
            self._dropped_lines = dropped
        if replica := self._storage.replica:
            metrics.replica_up.set(replica.is_available)
            metrics.replica_lag.set(replica.lag)
        for pool, usage in self._storage.usage().items():
            metrics.pool_connections.labels(pool, "idle").set(usage.idle)
            metrics.pool_connections.labels(pool, "used").set(usage.used)
            metrics.pool_size.labels(pool).set(usage.size)


@asynccontextmanager
async def running(heartbeat: Heartbeat) -> AsyncIterator[None]:
    """Have the heartbeat run for as long as the context lasts; its death ends the context."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(heartbeat.run())
        yield
        task.cancel()
