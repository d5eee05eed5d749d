"""How many deliveries of one queue may be unacknowledged: the prefetch, or fewer where they are large.

AMQP counts messages and not bytes, and RabbitMQ does not change the prefetch of a consumer. A window therefore begins
with one small consumer. Once that is full, a spare one takes as much of the rest as the mean size affords.
"""

from typing import Final

from worker.broker.consumer import Consumer

EVENT_BYTES: Final = 24 * 1024
"""The bytes that an event of the prefetch stands for: so many times the prefetch may be unacknowledged, about.

Not exactly, because sizes are known after the deliveries have come.
"""

WEIGHT: Final = 1 / 16  # of a new delivery in the mean
TOO_LARGE: Final = 2  # so many times the bytes: a window near its bound is not made anew all the time


class Window:
    """The consumers of one queue, `primary` and spare ones, and the mean size of their deliveries."""

    def __init__(self, primary: Consumer, rest: int) -> None:
        self._primary = primary
        self._rest = rest
        self._max_bytes = (primary.prefetch + rest) * EVENT_BYTES
        self._consumers = [primary]
        self._mean = 0.0
        self.prefetch = primary.prefetch

    @property
    def spares(self) -> list[Consumer]:
        """The spare consumers."""
        return self._consumers[1:]

    def is_misfit(self, size: int, consumer: Consumer) -> bool:
        """Count a delivery of `size` bytes; return whether the window should now have another size."""
        self._mean += (size - self._mean) * (WEIGHT if self._mean else 1)
        if consumer.held >= consumer.prefetch and self._rest and consumer is self._consumers[-1]:
            return self._share() > 0
        return self.is_too_large()

    def is_too_large(self) -> bool:
        """Whether the spare consumers would bring far too many bytes."""
        return self._mean * self.prefetch > TOO_LARGE * self._max_bytes and len(self._consumers) > 1

    def grow(self) -> Consumer | None:
        """Return a spare consumer to start; None where it would bring too many bytes, or there is no rest."""
        if not (share := self._share()):
            return None
        self._rest -= share
        self.prefetch += share
        spare = Consumer(self._primary.queue, share, primary=self._primary)
        self._consumers.append(spare)
        return spare

    def shrink(self) -> None:
        """Forget the spare consumers, which have been cancelled."""
        self._rest += self.prefetch - self._primary.prefetch
        self.prefetch = self._primary.prefetch
        self._consumers = [self._primary]

    def _share(self) -> int:
        """Return how much of the rest fits; 0 for less than a doubling, so that there are few consumers."""
        share = min(self._rest, int(self._max_bytes / max(self._mean, 1.0)) - self.prefetch)
        return share if share >= min(self._rest, self.prefetch) else 0
