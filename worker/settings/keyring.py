"""The keys that sign and verify, read again while the worker runs: a rotation needs no restart."""

from time import monotonic
from typing import Final

import structlog

from contracts.signing import Keyring
from worker.errors import ConfigurationError
from worker.settings.config import Settings
from worker.settings.loading import Loaded, load

log = structlog.get_logger()

MAX_AGE_SECONDS: Final = 10.0
MIN_AGE_SECONDS: Final = 1.0


def keyring_of(settings: Settings) -> Keyring:
    """Return the keys in the settings, which may be none."""
    return Keyring.parse(settings.signing_keys.get_secret_value())


class ReloadingKeyring:
    """The keyring from the settings, at most 10 s old; the last good one while the settings cannot be read."""

    def __init__(self, loaded: Loaded) -> None:
        self._flags = loaded.flags
        self._last = keyring_of(loaded.settings)
        self._read = monotonic()

    def __call__(self) -> Keyring:
        """Return the keys."""
        if monotonic() - self._read > MAX_AGE_SECONDS:
            self.renew()
        return self._last

    def renew(self) -> Keyring:
        """Return the keys, read again unless they were read within the last second."""
        if monotonic() - self._read > MIN_AGE_SECONDS:
            self._read = monotonic()
            try:
                self._last = keyring_of(load(self._flags, required=()).settings)
            except (ConfigurationError, OSError) as error:
                log.warning("settings.unreadable", reason=str(error), kept="signing_keys")
        return self._last


class FixedKeyring:
    """A keyring that never changes."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def __call__(self) -> Keyring:
        """Return the keys."""
        return self._keyring

    renew = __call__
