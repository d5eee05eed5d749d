"""The longest wait of a test, for a signal that takes a moment on a quiet machine.

A wait ends with its signal: a long limit costs a passing test nothing, and a busy machine fails no test.
"""

import os
from typing import Final

LONGEST_WAIT: Final = 120.0
"""Seconds."""
OVERLOADED: Final = 4
"""Processes for each core: if more are waiting, a duration says nothing about the product."""


def is_overloaded() -> bool:
    """Return whether durations now depend on the other work of this machine."""
    return os.getloadavg()[0] > OVERLOADED * (os.cpu_count() or 1)
