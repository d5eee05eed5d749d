"""The changes feed: tells what was committed, again and again until the broker has confirmed it."""

from collections import Counter
from collections.abc import Sequence

import structlog

from contracts.topology import Topology
from worker.backoff import Backoff
from worker.broker.changes import ChangeMessage, ChangesChannel
from worker.broker.intake import Intake
from worker.broker.signatures import SignatureVerifier
from worker.errors import BrokerUnavailable
from worker.ingest.changes import messages_of
from worker.observability.metrics import Metrics
from worker.store.rows import EventRow

log = structlog.get_logger()


class Feed:
    """What a session's settling has to do with the feed; `trouble` says why the broker refuses it, or None."""

    def __init__(
        self, topology: Topology, line: ChangesChannel, metrics: Metrics, guard: SignatureVerifier
    ) -> None:
        self._exchange = topology.changes.name
        self._line = line
        self._guard = guard
        self._metrics = metrics
        self.source = self._exchange
        self.trouble: str | None = None

    async def announce_removals(self, deletes: Sequence[EventRow], intake: Intake) -> None:
        """Return once deletes that are committed are announced; raises BrokerUnavailable otherwise."""
        if not await self.announce(messages_of(deletes, self.source), intake):
            raise BrokerUnavailable("the intake was lost before the changes feed was told")

    async def announce(self, messages: Sequence[ChangeMessage], intake: Intake) -> bool:
        """Return once all messages are confirmed; False when the intake was lost before."""
        backoff, left = Backoff(), self._guard.sign_changes(self._exchange, messages)
        while left and intake.is_open:
            try:
                refused = await intake.outlive(self._line.publish(self._exchange, left))
            except BrokerUnavailable:
                break
            left = [message for message, _ in refused]
            self.trouble = refused[0][1] if refused else None
            if refused:
                log.error("changes.waiting", count=len(left), reason=self.trouble)
                await intake.lasts(backoff.next())
        if left:
            return False
        self._metrics.count_changes(Counter(message.routing_key for message in messages))
        return True
