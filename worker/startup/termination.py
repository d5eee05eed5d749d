"""SIGTERM, before a command works and while it does.

The first process of a container does not end at SIGTERM unless it has a handler (pid_namespaces(7)), and the
imports of `run` take half a second.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

EXIT_TERMINATED: Final = 143
"""The status that a shell gives for SIGTERM: 128 and the signal's number."""
END_SECONDS: Final = 3.0


def end_at_sigterm() -> None:
    """Have SIGTERM end the process at once, with 143: nothing is under way that has to be undone."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_TERMINATED))


def cancel_at_sigterm(cancel: Callable[[], object]) -> None:
    """Have SIGTERM call `cancel`, and end the process with 143 when 3 s were not enough; a second one at once."""
    from threading import Timer

    def handle(*_: object) -> None:
        end_at_sigterm()
        timer = Timer(END_SECONDS, os._exit, (EXIT_TERMINATED,))
        timer.daemon = True
        timer.start()
        cancel()

    signal.signal(signal.SIGTERM, handle)
