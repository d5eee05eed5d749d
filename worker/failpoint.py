"""Ends the process at a named point, so that a test can see the state that a crash there leaves.

Set by SESSION_STORE_FAILPOINT, and by nothing else; where it is not set every point does nothing.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from enum import StrEnum

MOMENT_SECONDS = 0.002  # enough to have the call sent, mostly not enough to have it answered


class Failpoint(StrEnum):
    """A place in the life of a batch where the process may end."""

    BEFORE_COMMIT = "before-commit"  # decoded; the database knows nothing of it
    MID_BATCH = "mid-batch"  # the database is at work on it
    AFTER_COMMIT = "after-commit"  # applied; no confirmation was sent
    BEFORE_ACKNOWLEDGE = "before-acknowledge"  # dead letters and confirmations are sent


FailpointHook = Callable[[Failpoint], None]
"""Called at each point."""


def no_failpoint(_: Failpoint) -> None:
    """Do nothing."""


def failpoint_from(setting: str) -> FailpointHook:
    """Return a hook that kills the process at a point, or at the n-th time with `point:n`; none for ''."""
    if not setting:
        return no_failpoint
    name, _, turn = setting.partition(":")
    armed, left = Failpoint(name), int(turn or 1)

    def hit(point: Failpoint) -> None:
        nonlocal left
        if point is armed:
            left -= 1
            if left == 0:
                _die(0 if point is not Failpoint.MID_BATCH else MOMENT_SECONDS)

    return hit


def _die(seconds: float) -> None:
    if seconds:
        asyncio.get_running_loop().call_later(seconds, _die, 0)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
