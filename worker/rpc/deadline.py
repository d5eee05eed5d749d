"""How long a request may take, without a clock that its caller and this process share."""

from dataclasses import dataclass
from time import monotonic, time
from typing import Final, NamedTuple, Self

from contracts.topology import DEADLINE_HEADER
from worker.broker.delivery import Delivery, Properties

MIN_SECONDS_APART: Final = 1.0
"""A smaller difference of the clocks is not told from the time that a request was on its way."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment (monotonic, in seconds) until which a request may be answered, and whether its caller set it."""

    until: float
    has_deadline: bool = False

    @classmethod
    def of(cls, seconds: float, *, has_deadline: bool = False) -> Self:
        """Return the patience of a request that may take so many seconds from now."""
        return cls(monotonic() + seconds, has_deadline)

    def left(self) -> float:
        """Return the seconds that are left; not above 0 when the time is over."""
        return self.until - monotonic()


class Patience(NamedTuple):
    """The deadline of a request, and by how many seconds its caller's clock is ahead of ours at least.

    `ahead` is negative for a clock that is behind, and 0 where nothing shows a difference.
    """

    deadline: Deadline
    ahead: float = 0.0


def patience_of(delivery: Delivery, properties: Properties, limit: float) -> Patience:
    """Return the patience of a request, of at most `limit` seconds from now.

    `expiration` is the time that the caller waits: the broker drops a request that has waited longer, and its wait in
    this worker is counted. The header `deadline` is by the caller's clock, so beside an `expiration` it may only
    shorten that time. A deadline that is over although the broker has just handed the request out, or further away
    than the caller waits, shows that the clocks differ.
    """
    stated, given = _stated(properties), _given(properties)
    if given is None:
        return Patience(
            Deadline.of(limit if stated is None else min(limit, stated), has_deadline=stated is not None)
        )
    left = given - (monotonic() - delivery.received)
    if stated is None or 0 < stated <= given:
        return Patience(Deadline.of(min(limit, left, left if stated is None else stated), has_deadline=True))
    ahead = stated if stated <= 0 else stated - given
    return Patience(
        Deadline.of(min(limit, left), has_deadline=True), ahead if abs(ahead) >= MIN_SECONDS_APART else 0.0
    )


def _stated(properties: Properties) -> float | None:
    """Return the seconds from now to the deadline in the headers, by our clock; None without one."""
    deadline = (properties.headers or {}).get(DEADLINE_HEADER)
    return deadline / 1000 - time() if type(deadline) is int else None


def _given(properties: Properties) -> float | None:
    """Return the seconds for which the caller waits; None where the message has no expiration."""
    expiration = str(properties.expiration or "")
    return int(expiration) / 1000 if expiration.isascii() and expiration.isdecimal() else None
