"""One consumer of a queue, and how a prefetch is shared between two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Self
from uuid import uuid4

from aiormq.abc import FieldTable

PRIORITY_REQUESTS: Final = 8
"""The priority prefetch of requests: there are fewer than events, and a stop waits until it is full."""

SILENCE_SECONDS: Final = 1.0
SPARE_SILENCE_SECONDS: Final = 0.2


@dataclass(slots=True, eq=False)
class Consumer:
    """A consumer as the broker knows it; `held` counts its deliveries that are not acknowledged.

    A spare consumer gets the messages for which its `primary`, and those of other replicas, have no room. `arrived`
    is when the last one came, or when the consumer started, monotonic; `is_fresh` until it was full once.
    """

    queue: str
    prefetch: int
    priority: int = 0
    primary: Self | None = None
    tag: str = field(default_factory=lambda: f"session-store.{uuid4().hex}")
    held: int = 0
    arrived: float = 0.0
    is_fresh: bool = True

    @property
    def arguments(self) -> FieldTable:
        """The arguments of `basic.consume`; a higher priority is served first while that consumer has room."""
        return {"x-priority": self.priority} if self.priority else {}

    def can_cancel(self) -> bool:
        """Whether nothing is in transit: the prefetch is used up, or nothing has come for a second."""
        return self.held >= self.prefetch or self._silence() >= SILENCE_SECONDS

    def is_idle_spare(self) -> bool:
        """Whether this is a spare consumer that gets nothing for now, because its primary has room.

        A whole prefetch may be in transit to one that has just started.
        """
        has_room = self.primary is not None and self.primary.held <= self.primary.prefetch // 4
        return has_room and self._silence() >= (SILENCE_SECONDS if self.is_fresh else SPARE_SILENCE_SECONDS)

    def _silence(self) -> float:
        return monotonic() - self.arrived


def consumers_of(queues: Sequence[str], prefetch: int, priority_prefetch: int) -> Iterator[Consumer]:
    """Yield the consumers of each queue, which hold at most `prefetch` unacknowledged deliveries together.

    A consumer can leave without a redelivery once its prefetch is used up. That takes long where the prefetch is
    large and the load small: so, with
    `priority_prefetch`, a small one is served first and a spare one gets the rest.
    """
    for queue in queues:
        if 0 < priority_prefetch < prefetch:
            primary = Consumer(queue, priority_prefetch, priority=1)
            yield primary
            yield Consumer(queue, prefetch - priority_prefetch, primary=primary)
        else:
            yield Consumer(queue, prefetch)
