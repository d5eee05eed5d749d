"""How long a test waits for what takes a moment on a quiet machine.

A wait ends with its signal, so a long one costs a test that passes nothing, and a busy machine fails none.
"""

import os
from typing import Final

LONGEST_WAIT: Final = 120.0
"""Seconds."""
OVERLOADED: Final = 4
"""Processes for each core: with more of them waiting, a duration says nothing of the product."""


def is_overloaded() -> bool:
    """Return whether other work of this machine decides how long something takes now."""
    return os.getloadavg()[0] > OVERLOADED * (os.cpu_count() or 1)
