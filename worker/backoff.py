"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Exponential, with full jitter so that replicas do not come back in step; all in seconds.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter: the wait is drawn between
    nothing and a ceiling that doubles, but never less than a quarter of `first`, so that no loop spins.
    """

    first: float = 0.2
    limit: float = 5.0
    failures: int = 0

    def next(self) -> float:
        """Count a failure and return the seconds to wait after it."""
        ceiling = min(self.limit, self.first * 2 ** min(self.failures, 16))
        self.failures += 1
        return max(self.first / 4, random.uniform(0, ceiling))  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """Forget the failures after a success."""
        self.failures = 0
