"""The path of erasures: one at a time, settled when nothing of the player is left."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

import structlog

from contracts.events import EraseEvent
from contracts.outcomes import Outcome
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.dead_letters.removal import RemovedDeadLetters
from worker.errors import SessionStoreError
from worker.ingest.decode import decode_erasure
from worker.ingest.deliveries import Settlement
from worker.ingest.document import InvalidEvent
from worker.ingest.erasing import Eraser, receipt_of
from worker.ingest.settle import Settler
from worker.ingest.write_path import Limits
from worker.observability.metrics import Metrics
from worker.outcome import Verdict
from worker.retry import Backoff, retry

log = structlog.get_logger()

RemoveDeadLetters = Callable[[str], Coroutine[None, None, RemovedDeadLetters]]
"""Removes the dead letters of a player; raises BrokerUnavailable."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Removers:
    """The two parts of an erasure: of a player's sessions, and of the player's dead letters."""

    sessions: Eraser
    dead_letters: RemoveDeadLetters


class ErasePath:
    """Erases the players that one intake delivers, until the intake ends.

    An erasure that fails is tried again for as long as the intake is open: it is never given up, and doing it twice
    is harmless. Nothing that is logged names the player.
    """

    def __init__(
        self,
        intake: Intake,
        removers: Removers,
        settler: Settler,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._intake = intake
        self._removers = removers
        self._settler = settler
        self._limits = limits
        self._metrics = metrics

    async def run(self) -> None:
        """Return once the intake has ended and each erasure received is settled, or left to be delivered again."""
        while batch := await self._intake.receive(1):
            try:
                settlement = await self._settlement_of(batch[0])
            except SessionStoreError as error:
                log.error("erasure.given_up", reason=str(error))
            else:
                if await self._settler.settle([settlement], self._intake):
                    self._metrics.count_outcomes([settlement.verdict.outcome])

    async def _settlement_of(self, delivery: Delivery) -> Settlement:
        properties = delivery.read_properties()
        try:
            limits = self._limits
            event = decode_erasure(delivery, properties, limits.body, limits.verify, limits.latest_revision())
        except InvalidEvent as refused:
            verdict = Verdict.rejected(refused.code, refused.message)
            return Settlement.without_event(delivery, properties, verdict, refused.document)
        verdict = await self._erase(event, delivery.redelivered)
        return Settlement(delivery, properties, str(event.id), event.subject, verdict)

    async def _erase(self, event: EraseEvent, redelivered: bool) -> Verdict:
        """Remove sessions first: an event that is dead-lettered meanwhile is there when the dead letters are read."""
        started = monotonic()
        player_id, revision = event.subject, event.data.revision
        backoff = Backoff.short()
        erased = await self._until_done(
            lambda: self._removers.sessions.erase(
                player_id, revision, again=redelivered or backoff.failures > 0
            ),
            backoff,
        )
        dead_letters = await self._until_done(lambda: self._removers.dead_letters(player_id))
        receipt = receipt_of(player_id, erased, dead_letters.removed, dead_letters.remaining)
        log.info(
            "player.erased",
            sessions=receipt.sessions,
            dead_letters=receipt.dead_letters,
            remaining=receipt.remaining_sessions + receipt.remaining_dead_letters,
            seconds=round(monotonic() - started, 3),
        )
        return Verdict(Outcome.ERASED, erased.revision, receipt=receipt)

    async def _until_done(
        self, work: Callable[[], Coroutine[None, None, T]], backoff: Backoff | None = None
    ) -> T:
        return await retry(
            lambda: self._intake.run_until_lost(work()),
            SessionStoreError,
            self._intake.wait_while_open,
            backoff=backoff,
            on_failure=_log_failure,
        )


def _log_failure(error: SessionStoreError, failures: int) -> None:
    log.warning("erasure.retrying", reason=str(error), failures=failures)
