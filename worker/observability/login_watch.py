"""Ends a worker whose login stays refused while its service manager may have a newer one.

systemd copies a unit's credentials when it starts the unit, and at no other time. After a change of a password such a
worker continues with its connections, and is refused without end once it needs another. A new start gives it the new
password. Where the files of the logins are current, as mounted secrets are, the worker reads them itself.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog

from worker.errors import LoginRefused

log = structlog.get_logger()

MAX_REFUSED_SECONDS: Final = 30.0


class LoginWatch:
    """Calls `leave` once a server has refused the login for half a minute; without `leave` it does nothing."""

    def __init__(self, leave: Callable[[], None] | None, clock: Callable[[], float] = monotonic) -> None:
        self._leave = leave
        self._clock = clock
        self._since: float | None = None
        self._has_left = False

    def note(self, *, refused: bool) -> None:
        """Note whether a server refuses the login now."""
        if not refused:
            self._since = None
        elif self._since is None:
            self._since = self._clock()
        elif self._leave and not self._has_left and self._clock() - self._since >= MAX_REFUSED_SECONDS:
            self._has_left = True
            log.error("login.refused", seconds=MAX_REFUSED_SECONDS)
            self._leave()

    def check(self) -> None:
        """Raise LoginRefused where `leave` was called."""
        if self._has_left:
            raise LoginRefused(
                f"a server refused this worker's login for {MAX_REFUSED_SECONDS:.0f} s; a new start reads it again"
            )
