"""The longest wait of a test, for a signal that takes a moment on a quiet machine.

A wait ends with its signal: a long limit costs a passing test nothing, and a busy machine fails no test.
"""

import os
from math import inf
from typing import Final

LONGEST_WAIT: Final = 120.0
"""Seconds."""
OVERLOADED: Final = 4.0
"""Processes for each core: if more are waiting, a duration says nothing about the product."""
SHARED: Final = 2.0
"""Processes for each core that a run of the suite has on a machine without other work."""


def allowed_seconds(in_a_run: float) -> float:
    """Return how long that may take now: more in proportion to other work, no bound on an overloaded machine.

    `in_a_run` is how long it may take in a run of the suite on a machine without other work.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return inf if load > OVERLOADED else in_a_run * max(1.0, load / SHARED)
