"""The collaborators of every session to the broker."""

import asyncio
from dataclasses import dataclass

from contracts.topology import Topology
from worker.broker.signatures import SignatureVerifier
from worker.ingest.erase_path import RemoveDeadLetters
from worker.ingest.write_path import Limits
from worker.instruments import Instruments
from worker.settings.config import Settings
from worker.store.storage import Storage


@dataclass(frozen=True, slots=True)
class ServingContext:
    """The collaborators with which a worker serves each session to the broker; `stop` is set once it must end."""

    settings: Settings
    topology: Topology
    storage: Storage
    instruments: Instruments
    verifier: SignatureVerifier
    remove_dead_letters: RemoveDeadLetters
    stop: asyncio.Event

    @property
    def limits(self) -> Limits:
        """The bounds of the paths of events."""
        settings = self.settings
        return Limits(
            settings.batch_size,
            settings.body_limit,
            settings.patience_s,
            self.verifier.refuse_event,
            settings.revision_lead_s,
        )
