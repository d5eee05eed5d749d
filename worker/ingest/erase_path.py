"""The path of erasures: one at a time, settled when nothing of the player is left."""

from collections.abc import Callable, Coroutine
from time import monotonic
from typing import TypeVar

import structlog

from contracts.events import EraseEvent
from contracts.outcomes import Outcome
from worker.backoff import Backoff
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.dead_letters.removal import RemovedDeadLetters
from worker.errors import SessionStoreError
from worker.ingest.decode import VerifySignature, accept_all, decode_erasure
from worker.ingest.deliveries import Settlement
from worker.ingest.document import InvalidEvent
from worker.ingest.erasing import Eraser, receipt_of
from worker.ingest.settle import Settler
from worker.observability.metrics import Metrics
from worker.outcome import Verdict

log = structlog.get_logger()

LONGEST_REST = 2.0  # between attempts, in seconds

RemoveDeadLetters = Callable[[str], Coroutine[None, None, RemovedDeadLetters]]
T = TypeVar("T")


class ErasePath:
    """Erases the players that one intake delivers, until the intake ends.

    What cannot be done now is tried again for as long as the intake lasts: an erasure is never given up, and doing
    it twice is harmless. Nothing that is logged names the player.
    """

    def __init__(
        self,
        intake: Intake,
        eraser: Eraser,
        remove_dead_letters: RemoveDeadLetters,
        settler: Settler,
        largest: int,
        metrics: Metrics,
        find_fault: VerifySignature = accept_all,
    ) -> None:
        self._intake = intake
        self._eraser = eraser
        self._remove_letters = remove_dead_letters
        self._settler = settler
        self._largest = largest
        self._metrics = metrics
        self._find_fault = find_fault

    async def run(self) -> None:
        """Return once the intake has ended and what was taken from it is settled, or left to be delivered again."""
        while batch := await self._intake.take(1):
            try:
                judged = await self._judge(batch[0])
            except SessionStoreError as error:
                log.error("erasure.given_up", reason=str(error))
            else:
                if await self._settler.settle([judged], self._intake):
                    self._metrics.count_outcomes([judged.verdict.outcome])

    async def _judge(self, delivery: Delivery) -> Settlement:
        properties = delivery.read_properties()
        try:
            event = decode_erasure(delivery, properties, self._largest, self._find_fault)
        except InvalidEvent as refused:
            verdict = Verdict.rejected(refused.code, refused.message)
            return Settlement.without_event(delivery, properties, verdict, refused.document)
        verdict = await self._erase(event, delivery.redelivered)
        return Settlement(delivery, properties, str(event.id), event.subject, verdict)

    async def _erase(self, event: EraseEvent, redelivered: bool) -> Verdict:
        """Sessions first: what would be dead-lettered anew is decided before the letters are looked at."""
        started = monotonic()
        player_id, revision = event.subject, event.data.revision
        erased = await self._until_done(
            lambda failures: self._eraser.erase(player_id, revision, again=redelivered or failures > 0)
        )
        letters = await self._until_done(lambda _: self._remove_letters(player_id))
        receipt = receipt_of(player_id, erased, letters.letters, letters.remaining)
        log.info(
            "player.erased",
            sessions=receipt.sessions,
            dead_letters=receipt.dead_letters,
            remaining=receipt.remaining_sessions + receipt.remaining_dead_letters,
            seconds=round(monotonic() - started, 3),
        )
        return Verdict(Outcome.ERASED, erased.revision, receipt=receipt)

    async def _until_done(self, work: Callable[[int], Coroutine[None, None, T]]) -> T:
        backoff = Backoff(first=0.05, limit=LONGEST_REST)
        while True:
            try:
                return await self._intake.outlive(work(backoff.failures))
            except SessionStoreError as error:
                log.warning("erasure.waiting", reason=str(error), failures=backoff.failures + 1)
                if not await self._intake.lasts(backoff.next()):
                    raise
