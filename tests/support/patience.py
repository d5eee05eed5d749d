"""How long a test waits for what takes a moment on a quiet machine.

A wait ends with its signal, so a long one costs a test that passes nothing, and a busy machine fails none.
"""

from typing import Final

LONGEST_WAIT: Final = 120.0
"""Seconds."""
