"""The only place where a delivery of an event is settled: after the commit, and all of a batch at once."""

from collections import Counter
from collections.abc import Sequence

import orjson
import structlog

from contracts.outcomes import DeadLetterCode, Outcome
from contracts.replies import Receipt
from contracts.topology import Topology
from worker.backoff import Backoff
from worker.broker.intake import Intake
from worker.broker.publisher import DeadLetterMessage, Publisher
from worker.broker.replies import Reply, ReplyChannel
from worker.dead_letters.message import make_dead_letter
from worker.errors import BrokerUnavailable
from worker.failpoint import Failpoint, FailpointHook, no_failpoint
from worker.ingest.changes import changes_of
from worker.ingest.deliveries import Settlement
from worker.ingest.feed import Feed
from worker.observability.metrics import Metrics
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
        metrics: Metrics,
        reach: FailpointHook = no_failpoint,
        feed: Feed | None = None,
    ) -> None:
        self._topology = topology
        self._publisher = publisher
        self._replies = replies
        self._metrics = metrics
        self._reach = reach
        self._feed = feed

    async def settle(self, batch: Sequence[Settlement], intake: Intake, trace: Trace = NO_TRACING) -> bool:
        """Settle a batch whose verdicts are committed; every earlier batch of this intake must be settled.

        Acknowledging covers every earlier delivery of the channel, hence the order. False when the channel
        was lost: the broker delivers the batch again and the order law makes it a no-op.
        """
        letters = [letter for judged in batch if (letter := self._letter_of(judged))]
        if letters and not await self._dead_letter(letters, intake):
            return False
        replies = [reply for judged in batch if (reply := self._reply_of(judged))]
        if replies:
            await self._confirm(replies, trace)
        if self._feed and not await self._feed.announce(changes_of(batch, self._feed.source), intake):
            return False
        self._reach(Failpoint.BEFORE_ACKNOWLEDGE)
        return await intake.acknowledge(batch[-1].delivery.tag, multiple=True)

    async def _confirm(self, replies: list[Reply], trace: Trace) -> None:
        with trace.sending(replies) as traced:
            if not await self._replies.send(traced):
                self._metrics.replies_dropped.labels("confirmation").inc(len(replies))
                log.warning("confirmations.dropped", count=len(replies))

    async def _dead_letter(self, letters: Sequence[DeadLetterMessage], intake: Intake) -> bool:
        backoff, left = Backoff(), letters
        while intake.is_open:
            publishing = self._publisher.publish_dead_letters(self._topology.dead.name, left)
            try:
                refused = await intake.outlive(publishing)
            except BrokerUnavailable:
                return False
            if not refused:
                codes = Counter(letter.code for letter in letters)
                self._metrics.count_dead_letters(codes)
                log.warning("events.dead_lettered", codes=dict(codes))
                return True
            left = [letter for letter, _ in refused]
            log.error("dead_letters.waiting", count=len(left), reason=refused[0][1])
            await intake.lasts(backoff.next())
        return False

    def _letter_of(self, judged: Settlement) -> DeadLetterMessage | None:
        match judged.verdict:
            case Verdict(outcome=Outcome.REJECTED, code=DeadLetterCode() as code, message=str() as message):
                return make_dead_letter(judged.delivery, judged.properties, code, message)
            case Verdict(outcome=Outcome.CONFLICT) if self._address_of(judged) is None:
                stored = judged.verdict.revision or 0
                message = f"expectedRevision does not match: revision {stored} is stored"
                return make_dead_letter(judged.delivery, judged.properties, DeadLetterCode.CONFLICT, message)
        return None

    def _address_of(self, judged: Settlement) -> tuple[str, str] | None:
        """Where to confirm; None when nobody asked, or asked for an answer into a queue that is no caller's."""
        address = judged.reply_address
        return address if address and self._topology.may_reply_to(address[0]) else None

    def _reply_of(self, judged: Settlement) -> Reply | None:
        if (address := self._address_of(judged)) is None:
            return None
        sign = judged.verdict.code is not DeadLetterCode.BAD_SIGNATURE
        return Reply(*address, orjson.dumps(_confirmation_of(judged)), sign=sign)


def _confirmation_of(judged: Settlement) -> dict[str, object]:
    verdict = judged.verdict
    confirmation: dict[str, object] = {
        "id": judged.event_id,
        "subject": judged.subject,
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
