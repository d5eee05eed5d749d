"""Rejects events whose revision is too far ahead of the clock, as a worker does."""

from collections.abc import Sequence
from time import time

from contracts.outcomes import DeadLetterCode
from worker.ingest.fold import Verdicts, key_of
from worker.ingest.revision_bound import describe_ahead, latest_revision
from worker.outcome import Verdict
from worker.store.rows import EventRow
from worker.transfer.storing import Sink


class BoundedSink:
    """Hands another sink the events that it may store; `lead` is in seconds, 0 for any revision."""

    def __init__(self, sink: Sink, lead: float) -> None:
        self._sink = sink
        self._lead = lead

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict."""
        latest = latest_revision(self._lead, time())
        rejected = {
            key_of(event): Verdict.rejected(
                DeadLetterCode.REVISION_AHEAD, describe_ahead(event.revision, latest)
            )
            for event in events
            if event.revision > latest
        }
        return {**await self._sink.take([event for event in events if event.revision <= latest]), **rejected}
