"""One consumer of a queue, and how a prefetch is shared between two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Self
from uuid import uuid4

from aiormq.abc import FieldTable

QUIET_REQUESTS: Final = (
    8  # the prefetch that comes first, of requests: few beside events, a stop fills it soon
)
SILENCE_SECONDS: Final = 1.0
SPARE_SILENCE_SECONDS: Final = 0.05


@dataclass(slots=True, eq=False)
class Consumer:
    """A consumer as the broker knows it; `held` counts its deliveries that are not acknowledged.

    A spare one gets what the one `before` it, and those of other replicas, have no room for. `arrived` is when it
    got something last, monotonic.
    """

    queue: str
    prefetch: int
    priority: int = 0
    before: Self | None = None
    tag: str = field(default_factory=lambda: f"session-store.{uuid4().hex}")
    held: int = 0
    arrived: float = 0.0

    @property
    def arguments(self) -> FieldTable:
        """What the broker is told: it serves a higher priority before a lower one while that has room."""
        return {"x-priority": self.priority} if self.priority else {}

    def can_cancel(self) -> bool:
        """Whether nothing is on its way: the prefetch is used up, or nothing has come for a second."""
        return self.held >= self.prefetch or self._silence() >= SILENCE_SECONDS

    def is_idle_spare(self) -> bool:
        """Whether this is a spare one that gets nothing for now, because the one before it has room."""
        has_room = self.before is not None and self.before.held <= self.before.prefetch // 4
        return has_room and self._silence() >= SPARE_SILENCE_SECONDS

    def _silence(self) -> float:
        return monotonic() - self.arrived


def consumers_of(queues: Sequence[str], prefetch: int, quiet: int) -> Iterator[Consumer]:
    """Yield what consumes each queue, together with at most `prefetch` unacknowledged deliveries.

    A consumer can leave without a redelivery once its prefetch is used up. That takes long where the prefetch is
    large and the load small: so, with `quiet`, a small one comes first and a spare one takes the rest.
    """
    for queue in queues:
        if 0 < quiet < prefetch:
            first = Consumer(queue, quiet, priority=1)
            yield first
            yield Consumer(queue, prefetch - quiet, before=first)
        else:
            yield Consumer(queue, prefetch)
