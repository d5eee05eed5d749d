"""A server's URL, read again for each connection: a password may change while the worker runs."""

from typing import Literal

import structlog
from pydantic import SecretStr

from worker.errors import ConfigurationError
from worker.settings.loading import Loaded, load

log = structlog.get_logger()

UrlField = Literal["database_url", "read_database_url", "amqp_url"]


class ReloadingUrl:
    """A server's URL from the current settings; the last good URL while the settings cannot be read."""

    def __init__(self, loaded: Loaded, field: UrlField) -> None:
        self._flags = loaded.flags
        self._field = field
        self._last = self._value_of(loaded)

    def __call__(self) -> str:
        """Return the URL, password included; the files of TLS that a new one names are loaded before it counts."""
        try:
            url = self._value_of(load(self._flags, with_files=False))
            if url != self._last:
                self._last = self._value_of(load(self._flags))
        except (ConfigurationError, OSError) as error:
            log.warning("settings.unreadable", reason=str(error), kept=self._field)
        return self._last

    def _value_of(self, loaded: Loaded) -> str:
        url: SecretStr = getattr(loaded.settings, self._field)
        return url.get_secret_value()
