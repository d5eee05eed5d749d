"""The dry run of an import: the verdicts that its events would have, without storing them."""

from collections.abc import Sequence

from worker.ingest.fold import Verdicts, group_by_session
from worker.store.ledger import LedgerReader
from worker.store.rows import EventRow


class DryRunSink:
    """Decides on events by the ledger, and changes nothing.

    Each chunk is compared with the ledger alone: the events of earlier chunks are not in it.
    """

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return the verdict that every event would have."""
        groups = group_by_session(events)
        entries = await self._ledger.read([group.session_id for group in groups])
        verdicts: Verdicts = {}
        for group in groups:
            verdicts.update(group.predict(entries.get(group.session_id)))
        return verdicts
