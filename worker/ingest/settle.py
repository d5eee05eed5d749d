"""The only place where a delivery of an event is settled: after the commit, and all of a batch at once."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import orjson
import structlog

from contracts.outcomes import DeadLetterCode, Outcome
from contracts.replies import Receipt
from contracts.topology import Topology
from worker.broker.confirming import publish_until_confirmed
from worker.broker.intake import Intake
from worker.broker.publisher import DeadLetterMessage, Publisher
from worker.broker.replies import Reply, ReplyChannel
from worker.dead_letters.message import make_dead_letter
from worker.failpoint import Failpoint
from worker.ingest.changes import changes_of
from worker.ingest.deliveries import Settlement
from worker.ingest.feed import Feed
from worker.instruments import Instruments
from worker.outcome import Verdict
from worker.traces.interface import NO_TRACING, Trace

log = structlog.get_logger()


class Settler:
    """Dead-letters, confirms, announces where there is a feed, and acknowledges, in this order."""

    def __init__(
        self,
        topology: Topology,
        publisher: Publisher,
        replies: ReplyChannel,
        instruments: Instruments,
        feed: Feed | None = None,
    ) -> None:
        self._topology = topology
        self._publisher = publisher
        self._replies = replies
        self._metrics = instruments.metrics
        self._failpoint = instruments.failpoint
        self._feed = feed

    async def settle(self, batch: Sequence[Settlement], intake: Intake, trace: Trace = NO_TRACING) -> bool:
        """Settle a batch whose verdicts are committed; every earlier batch of this intake must be settled.

        Acknowledging covers every earlier delivery of the channel, hence the order. False when the channel
        was lost: the broker delivers the batch again and the order law makes it a no-op.
        """
        dead_letters = [each for settlement in batch if (each := self._dead_letter_of(settlement))]
        if dead_letters and not await self._dead_letter(dead_letters, intake):
            return False
        replies = [reply for settlement in batch if (reply := self._reply_of(settlement))]
        if replies:
            await self._confirm(replies, trace)
        if self._feed and not await self._feed.announce(changes_of(batch, self._feed.source), intake):
            return False
        self._failpoint(Failpoint.BEFORE_ACKNOWLEDGE)
        return await intake.acknowledge(batch[-1].delivery.tag, multiple=True)

    async def _confirm(self, replies: list[Reply], trace: Trace) -> None:
        with trace.sending(replies) as traced:
            if not await self._replies.send(traced):
                self._metrics.replies_dropped.labels("confirmation").inc(len(replies))
                log.warning("confirmations.dropped", count=len(replies))

    async def _dead_letter(self, dead_letters: Sequence[DeadLetterMessage], intake: Intake) -> bool:
        publish = partial(self._publisher.publish_dead_letters, self._topology.dead.name)
        if not await publish_until_confirmed(publish, dead_letters, intake, _log_refused):
            return False
        codes = Counter(each.code for each in dead_letters)
        self._metrics.count_dead_letters(codes)
        log.warning("events.dead_lettered", codes=dict(codes))
        return True

    def _dead_letter_of(self, settlement: Settlement) -> DeadLetterMessage | None:
        match settlement.verdict:
            case Verdict(outcome=Outcome.REJECTED, code=DeadLetterCode() as code, message=str() as message):
                return self._made_of(settlement, code, message)
            case Verdict(outcome=Outcome.CONFLICT) if self._address_of(settlement) is None:
                stored = settlement.verdict.revision or 0
                message = f"expectedRevision does not match: revision {stored} is stored"
                return self._made_of(settlement, DeadLetterCode.CONFLICT, message)
        return None

    def _made_of(self, settlement: Settlement, code: DeadLetterCode, message: str) -> DeadLetterMessage:
        room = self._publisher.header_room
        return make_dead_letter(settlement.delivery, settlement.properties, code, message, room)

    def _address_of(self, settlement: Settlement) -> tuple[str, str] | None:
        """Return the address of the confirmation; None without a `reply_to`, or where no caller may own it."""
        address = settlement.reply_address
        return address if address and self._topology.may_reply_to(address[0]) else None

    def _reply_of(self, settlement: Settlement) -> Reply | None:
        if (address := self._address_of(settlement)) is None:
            return None
        sign = settlement.verdict.code is not DeadLetterCode.BAD_SIGNATURE
        return Reply(*address, orjson.dumps(_confirmation_of(settlement)), sign=sign)


def _log_refused(count: int, reason: str) -> None:
    log.error("dead_letters.retrying", count=count, reason=reason)


def _confirmation_of(settlement: Settlement) -> dict[str, object]:
    verdict = settlement.verdict
    confirmation: dict[str, object] = {
        "id": settlement.event_id,
        "subject": settlement.subject,
        "outcome": verdict.outcome,
        "revision": verdict.revision,
    }
    match verdict:
        case Verdict(code=DeadLetterCode()):
            confirmation.update(code=verdict.code, message=verdict.message)
        case Verdict(first=Outcome()):
            confirmation.update(first=verdict.first)
        case Verdict(receipt=Receipt() as receipt):
            confirmation.update(receipt=receipt.model_dump(mode="json"))
    return confirmation
