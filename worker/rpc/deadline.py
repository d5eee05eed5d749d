"""How long a request may take."""

from dataclasses import dataclass
from time import monotonic
from typing import Self


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
