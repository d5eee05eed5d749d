"""What a write returns."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from contracts.outcomes import Outcome

Durability = Literal["stored", "queued"]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an event; `outcome` is None where only the broker has confirmed it (`queued`).

    `revision` is the event's own. A repeat is told the outcome it had when it was applied. `superseded` is no
    error: a newer state of the session is stored, as it would be had this write come first. `repeated`: this very
    event was applied before, by an earlier call or by this one, whose first answer was lost.
    """

    event_id: UUID
    revision: int
    outcome: Outcome | None
    repeated: bool = False

    @property
    def existed(self) -> bool:
        """Whether a delete found the session."""
        return self.outcome is Outcome.DELETED
