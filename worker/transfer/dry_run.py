"""What would become of an import's events, as the database is now."""

from collections.abc import Sequence

from worker.ingest.fold import Verdicts, group_by_session
from worker.store.ledger import LedgerReader
from worker.store.rows import EventRow


class DryRunSink:
    """Judges events by what the ledger says, and changes nothing.

    What one portion would store, the next one does not see.
    """

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, were it stored now."""
        groups = group_by_session(events)
        entries = await self._ledger.read([group.session_id for group in groups])
        verdicts: Verdicts = {}
        for group in groups:
            verdicts.update(group.predict(entries.get(group.session_id)))
        return verdicts
