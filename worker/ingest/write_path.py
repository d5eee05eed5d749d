"""The write path: receive a batch, decode, fold, apply, and settle in delivery order."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time
from typing import Final

import structlog

from contracts.outcomes import DeadLetterCode
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.errors import RowRefused, StorageUnavailable, UnavailableError
from worker.failpoint import Failpoint
from worker.ingest.bisection import bisect_refused
from worker.ingest.decode import VerifySignature, accept_all, decode
from worker.ingest.deliveries import DecodedEvent, Settlement, settlements_of
from worker.ingest.document import InvalidEvent
from worker.ingest.fold import SessionEvents, Verdicts, group_by_session, resolve, rounds_of
from worker.ingest.revision_bound import latest_revision
from worker.ingest.settle import Settler
from worker.instruments import Instruments
from worker.observability.health import ServingState
from worker.outcome import Verdict
from worker.retry import retry, within
from worker.store.rows import Applied, EventRow
from worker.store.writer import EventWriter, Round
from worker.traces.interface import Trace

log = structlog.get_logger()

LINGER_SECONDS: Final = 0.01  # under load only: the broker fills a prefetch in pieces
APPLY: Final = "SELECT apply_session_events"
MAX_BATCHES: Final = 2  # decoding one batch overlaps the database's work on the other


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a path: events a batch, bytes a body, seconds of patience with the database.

    `verify` judges the signature of each event before it is parsed. `revision_lead` is how many seconds a revision
    may be ahead of the clock `now`; 0 means any revision.
    """

    batch: int
    body: int
    patience: float
    verify: VerifySignature = accept_all
    revision_lead: float = 0
    now: Callable[[], float] = time

    def latest_revision(self) -> int:
        """Return the greatest revision that an event may have now."""
        return latest_revision(self.revision_lead, self.now())


@dataclass(frozen=True, slots=True)
class SettleOrder:
    """A batch's place in the order of delivery: whether the previous batch was settled, and whether this one was."""

    previous: asyncio.Future[bool]
    finished: asyncio.Future[bool]

    async def wait(self) -> bool:
        """Wait for the previous batch, and return whether it was settled.

        Shielded: a task that is cancelled here must not cancel the future that the previous batch will set.
        """
        return await asyncio.shield(self.previous)


class WritePath:
    """Stores the deliveries of one intake, until the intake ends or the database has been away too long."""

    def __init__(
        self,
        intake: Intake,
        writer: EventWriter,
        settler: Settler,
        limits: Limits,
        instruments: Instruments,
    ) -> None:
        self._intake = intake
        self._writer = writer
        self._settler = settler
        self._limits = limits
        self._metrics = instruments.metrics
        self._traces = instruments.traces
        self._failpoint = instruments.failpoint
        self._in_flight: dict[int, float] = {}
        self._given_up: Sequence[SessionEvents] = ()
        self._failure: str | None = None  # why the last call to the database failed

    def state(self) -> ServingState:
        """Return how storing goes: `storing`, `in_flight` and `lag`."""
        received = [*self._in_flight.values(), *self._intake.oldest()]
        return ServingState(
            storing=self._failure,
            in_flight=self._intake.unacknowledged if self._intake.is_open else 0,
            lag=monotonic() - min(received) if received else 0.0,
        )

    async def run(self) -> Sequence[SessionEvents]:
        """Return once the intake has ended and every batch received from it is settled or given up.

        Returns events that were given up while the database was away: after the patience, or when the intake was
        lost. The intake is closed, and the broker keeps the unacknowledged deliveries. Empty when the database took
        the last events that it was given.
        """
        await self._store_batches()
        return self._given_up

    async def _store_batches(self) -> None:
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(MAX_BATCHES)
        previous: asyncio.Future[bool] = loop.create_future()
        previous.set_result(True)
        linger = 0.0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                batch = await self._intake.receive(self._limits.batch, linger)
                if not batch:
                    return
                linger = LINGER_SECONDS if len(batch) > self._limits.batch // 2 else 0.0
                order = SettleOrder(previous, loop.create_future())
                previous = order.finished
                task = tasks.create_task(self._process(batch, order))
                task.add_done_callback(lambda _: free.release())

    async def _process(self, batch: Sequence[Delivery], order: SettleOrder) -> None:
        settled = False
        self._in_flight[batch[0].tag] = batch[0].received
        begun = monotonic()
        again = sum(delivery.redelivered for delivery in batch)
        self._metrics.count_batch(len(batch), again, begun - batch[0].received)
        try:
            decoded = [self._decode(delivery) for delivery in batch]
            with self._traces.storing(decoded, begun) as trace:
                settled = await self._store(decoded, order, trace)
        except UnavailableError as error:
            log.error("batch.given_up", deliveries=len(batch), reason=self._reason_of(error))
        finally:
            del self._in_flight[batch[0].tag]
            order.finished.set_result(settled)

    def _reason_of(self, error: UnavailableError) -> str:
        """Return why a batch was given up; a channel may be lost while the batch waits for the database."""
        loss = self._intake.loss
        return str(error) if loss is None or loss in str(error) else f"{error}; the channel was lost: {loss}"

    async def _store(
        self, decoded: Sequence[DecodedEvent | Settlement], order: SettleOrder, trace: Trace
    ) -> bool:
        """Apply a batch, and settle it once the previous one is settled; return whether it was settled."""
        events = [each.event for each in decoded if isinstance(each, DecodedEvent)]
        if any(event.expected_revision is not None for event in events):
            await order.wait()  # the expected revision may be one that the previous batch is about to store
        verdicts = await self._apply(events)
        self._observe_lag(decoded[0])
        if not await order.wait():
            return False
        batch = settlements_of(decoded, verdicts)
        trace.record_outcomes(batch)
        return await self._settle(batch, trace)

    async def _settle(self, batch: Sequence[Settlement], trace: Trace) -> bool:
        started = monotonic()
        settled = await self._settler.settle(batch, self._intake, trace)
        self._metrics.settle_seconds.observe(monotonic() - started)
        if settled:
            self._metrics.count_outcomes(settlement.verdict.outcome for settlement in batch)
        return settled

    def _observe_lag(self, first: DecodedEvent | Settlement) -> None:
        if isinstance(first, DecodedEvent) and first.time:
            self._metrics.commit_lag.observe(max(0.0, time() - first.time.timestamp()))

    def _decode(self, delivery: Delivery) -> DecodedEvent | Settlement:
        """Return the event in a delivery, or the settlement of a delivery whose event is invalid."""
        properties = delivery.read_properties()
        try:
            limits = self._limits
            return decode(delivery, properties, limits.body, limits.verify, limits.latest_revision())
        except InvalidEvent as invalid:
            verdict = Verdict.rejected(invalid.code, invalid.message)
            return Settlement.without_event(delivery, properties, verdict, invalid.document)
        except Exception:  # a defect of ours; still no single message may stop a worker
            log.exception("event.not_decoded")
            verdict = Verdict.rejected(DeadLetterCode.BAD_SCHEMA, "the worker cannot decode it; see its log")
            return Settlement.without_event(delivery, properties, verdict, {})

    async def _apply(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, committed; raise StorageUnavailable when given up."""
        groups = group_by_session(events)
        return await bisect_refused(groups, self._persist) if groups else {}

    async def _persist(self, groups: Sequence[SessionEvents]) -> Verdicts:
        """Apply in one transaction, and try again while the database is away."""
        sleep = within(self._limits.patience, self._intake.wait_while_open)
        rounds = rounds_of(groups)
        try:
            applied = await retry(
                lambda: self._apply_rounds(rounds), StorageUnavailable, sleep, on_failure=self._note_failure
            )
        except UnavailableError:
            if self._failure:
                self._given_up = groups
                if self._intake.is_open:
                    await self._intake.close()
            raise
        return resolve(groups, applied)

    def _note_failure(self, error: StorageUnavailable, failures: int) -> None:
        self._failure = error.reason
        self._metrics.count_failure(error.reason)
        log.warning("storage.unavailable", reason=error.reason, failures=failures)

    async def _apply_rounds(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        self._failpoint(Failpoint.BEFORE_COMMIT)
        self._failpoint(Failpoint.MID_BATCH)
        started = monotonic()
        with self._traces.querying(APPLY, sum(map(len, rounds))):
            applied = await self._intake.run_until_lost(self._writer.apply(rounds))
        self._metrics.database_seconds.observe(monotonic() - started)
        self._failure = None
        self._failpoint(Failpoint.AFTER_COMMIT)
        return applied


async def apply_given_up(writer: EventWriter, given_up: Sequence[SessionEvents]) -> None:
    """Apply events that were given up; raises StorageUnavailable while the database does not take them.

    Nothing else tells whether it would. The broker delivers these events again, as repeats then.
    """
    with suppress(RowRefused):
        await writer.apply(rounds_of(given_up))
