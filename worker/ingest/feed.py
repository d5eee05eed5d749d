"""The changes feed: announces committed changes until the broker has confirmed them."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import structlog

from contracts.topology import Topology
from worker.broker.changes import ChangeMessage, ChangesChannel
from worker.broker.confirming import publish_until_confirmed
from worker.broker.intake import Intake
from worker.broker.signatures import SignatureVerifier
from worker.errors import BrokerUnavailable
from worker.ingest.changes import messages_of
from worker.observability.metrics import Metrics
from worker.store.rows import EventRow

log = structlog.get_logger()


class Feed:
    """Announces changes over one session to the broker; `trouble` says why the broker refuses them, or None."""

    def __init__(
        self, topology: Topology, channel: ChangesChannel, metrics: Metrics, verifier: SignatureVerifier
    ) -> None:
        self._exchange = topology.changes.name
        self._channel = channel
        self._verifier = verifier
        self._metrics = metrics
        self.source = self._exchange
        self.trouble: str | None = None

    async def announce_removals(self, deletes: Sequence[EventRow], intake: Intake) -> None:
        """Return once deletes that are committed are announced; raises BrokerUnavailable otherwise."""
        if not await self.announce(messages_of(deletes, self.source), intake):
            raise BrokerUnavailable("the intake was lost before the broker had confirmed the changes feed")

    async def announce(self, messages: Sequence[ChangeMessage], intake: Intake) -> bool:
        """Return once all messages are confirmed; False when the intake was lost before."""
        signed = self._verifier.sign_changes(self._exchange, messages)
        publish = partial(self._channel.publish, self._exchange)
        if not await publish_until_confirmed(publish, signed, intake, self._note_refused):
            return False
        if messages:
            self.trouble = None
        self._metrics.count_changes(Counter(message.routing_key for message in messages))
        return True

    def _note_refused(self, count: int, reason: str) -> None:
        self.trouble = reason
        log.error("changes.retrying", count=count, reason=reason)
