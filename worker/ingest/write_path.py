"""The write path: take a batch, decode, fold, apply, and settle in delivery order."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time

import structlog

from contracts.outcomes import DeadLetterCode
from worker.backoff import Backoff
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.errors import RowRefused, StorageUnavailable, UnavailableError
from worker.failpoint import Failpoint, FailpointHook, no_failpoint
from worker.ingest.bisection import bisect_refused
from worker.ingest.decode import VerifySignature, accept_all, decode
from worker.ingest.deliveries import Decoded, Settlement, settlements_of
from worker.ingest.document import InvalidEvent
from worker.ingest.fold import SessionEvents, Verdicts, group_by_session, resolve, rounds_of
from worker.ingest.published import published_at
from worker.ingest.settle import Settler
from worker.observability.metrics import Metrics
from worker.outcome import Verdict
from worker.store.rows import Applied, EventRow
from worker.store.writer import EventWriter, Round
from worker.traces.interface import NO_TRACING, Trace, Traces

log = structlog.get_logger()

LONGEST_REST = 2.0  # between attempts to reach the database, in seconds
LINGER_SECONDS = 0.01  # under load only: the broker sends what was acknowledged again in pieces
APPLY = "SELECT apply_session_events"
IN_FLIGHT = 2  # decoding one batch overlaps the database's work on the other


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the write path: events a batch, bytes a body, seconds of patience with the database.

    `find_fault` judges the signature of each event before it is parsed.
    """

    batch: int
    body: int
    patience: float
    find_fault: VerifySignature = accept_all


@dataclass(frozen=True, slots=True)
class SettleOrder:
    """A batch's place in the order of delivery: whether the batch before was settled, and this one."""

    before: asyncio.Future[bool]
    done: asyncio.Future[bool]

    async def comes(self) -> bool:
        """Wait for the batch before, and return whether it was settled.

        Shielded: who is cancelled while waiting must not cancel the future that the batch before will set.
        """
        return await asyncio.shield(self.before)


class WritePath:
    """Stores what one intake delivers, until the intake ends or the database has been away too long."""

    def __init__(
        self,
        intake: Intake,
        writer: EventWriter,
        settler: Settler,
        limits: Limits,
        metrics: Metrics,
        reach: FailpointHook = no_failpoint,
        traces: Traces = NO_TRACING,
    ) -> None:
        self._intake = intake
        self._writer = writer
        self._settler = settler
        self._limits = limits
        self._metrics = metrics
        self._reach = reach
        self._traces = traces
        self._in_flight: dict[int, float] = {}
        self._given_up: Sequence[SessionEvents] = ()
        self.gave_up = False
        self.failure: str | None = None  # why the last call to the database failed

    def lag(self) -> float:
        """Return the age in seconds of the oldest delivery not yet settled; 0 when there is none."""
        received = [*self._in_flight.values(), *self._intake.oldest()]
        return monotonic() - min(received) if received else 0.0

    async def run(self) -> None:
        """Return once the intake has ended and every batch taken from it is settled or given up.

        `gave_up` says that the database was away for longer than our patience: the intake was closed and
        the broker keeps what was unacknowledged.
        """
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(IN_FLIGHT)
        before: asyncio.Future[bool] = loop.create_future()
        before.set_result(True)
        linger = 0.0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                batch = await self._intake.take(self._limits.batch, linger)
                if not batch:
                    return
                linger = LINGER_SECONDS if len(batch) > self._limits.batch // 2 else 0.0
                turn = SettleOrder(before, loop.create_future())
                before = turn.done
                task = tasks.create_task(self._process(batch, turn))
                task.add_done_callback(lambda _: free.release())

    async def try_again(self) -> None:
        """Apply what was given up; raises StorageUnavailable while the database does not take it.

        No other question tells whether it would. The broker delivers these events again, as repeats then.
        """
        with suppress(RowRefused):
            await self._writer.apply(rounds_of(self._given_up))

    async def _process(self, batch: Sequence[Delivery], turn: SettleOrder) -> None:
        settled = False
        self._in_flight[batch[0].tag] = batch[0].received
        begun = monotonic()
        again = sum(delivery.redelivered for delivery in batch)
        self._metrics.count_batch(len(batch), again, begun - batch[0].received)
        try:
            decoded = [self._decode(delivery) for delivery in batch]
            with self._traces.storing(decoded, begun) as trace:
                settled = await self._store(decoded, turn, trace)
        except UnavailableError as error:
            log.error("batch.given_up", deliveries=len(batch), reason=str(error))
        finally:
            del self._in_flight[batch[0].tag]
            turn.done.set_result(settled)

    async def _store(self, decoded: Sequence[Decoded], turn: SettleOrder, trace: Trace) -> bool:
        """Apply a batch, and settle it when its turn comes; return whether it was settled."""
        events = [each.event for each in decoded if isinstance(each.event, EventRow)]
        if any(event.expected_revision is not None for event in events):
            await turn.comes()  # what one expects may be what the batch before is about to store
        verdicts = await self._apply(events)
        self._observe_lag(decoded[0])
        if not await turn.comes():
            return False
        batch = settlements_of(decoded, verdicts)
        trace.judge(batch)
        return await self._settle(batch, trace)

    async def _settle(self, batch: Sequence[Settlement], trace: Trace) -> bool:
        started = monotonic()
        settled = await self._settler.settle(batch, self._intake, trace)
        self._metrics.settle_seconds.observe(monotonic() - started)
        if settled:
            self._metrics.count_outcomes(judged.verdict.outcome for judged in batch)
        return settled

    def _observe_lag(self, first: Decoded) -> None:
        if isinstance(first.event, EventRow) and (published := published_at(first.delivery.body)):
            self._metrics.commit_lag.observe(max(0.0, time() - published))

    def _decode(self, delivery: Delivery) -> Decoded:
        properties = delivery.read_properties()
        try:
            event = decode(delivery, properties, self._limits.body, self._limits.find_fault)
        except InvalidEvent as refused:
            verdict = Verdict.rejected(refused.code, refused.message)
            return Decoded(delivery, properties, verdict, refused.document)
        except Exception:  # a defect of ours; still no single message may stop a worker
            log.exception("event.not_decoded")
            verdict = Verdict.rejected(DeadLetterCode.BAD_SCHEMA, "the worker cannot decode it; see its log")
            return Decoded(delivery, properties, verdict)
        return Decoded(delivery, properties, event)

    async def _apply(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, committed; raise StorageUnavailable when given up."""
        groups = group_by_session(events)
        return await bisect_refused(groups, self._persist) if groups else {}

    async def _persist(self, groups: Sequence[SessionEvents]) -> Verdicts:
        """Apply in one transaction, again and again while the database is away."""
        backoff = Backoff(first=0.05, limit=LONGEST_REST)
        started = monotonic()
        while True:
            try:
                return resolve(groups, await self._apply_rounds(rounds_of(groups)))
            except StorageUnavailable as error:
                self.failure = error.reason
                self._metrics.count_failure(error.reason)
                log.warning("storage.unavailable", reason=error.reason, failures=backoff.failures + 1)
                if monotonic() - started > self._limits.patience:
                    self.gave_up, self._given_up = True, groups
                    await self._intake.close()
                if not await self._intake.lasts(backoff.next()):
                    raise

    async def _apply_rounds(self, rounds: Sequence[Round]) -> list[dict[str, Applied]]:
        self._reach(Failpoint.BEFORE_COMMIT)
        self._reach(Failpoint.MID_BATCH)
        started = monotonic()
        with self._traces.querying(APPLY, sum(map(len, rounds))):
            applied = await self._intake.outlive(self._writer.apply(rounds))
        self._metrics.database_seconds.observe(monotonic() - started)
        self.failure = None
        self._reach(Failpoint.AFTER_COMMIT)
        return applied
