"""The collaborators of every session to the broker."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.topology import Topology
from worker.broker.signatures import SignatureVerifier
from worker.ingest.erase_path import RemoveDeadLetters
from worker.ingest.fold import SessionEvents
from worker.ingest.write_path import Limits
from worker.instruments import Instruments
from worker.settings.config import Settings
from worker.store.storage import Storage


@dataclass(slots=True)
class Outage:
    """Events that the database did not take; it is away until it takes them, whichever session delivered them."""

    events: Sequence[SessionEvents] = ()


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
    outage: Outage = field(default_factory=Outage)

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
            self.storage.latest_now,
        )
