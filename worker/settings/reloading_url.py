"""Where a server is, read anew for each connection: a password may change while the worker runs."""

from typing import Literal

import structlog

from worker.errors import ConfigurationError
from worker.settings.config import Loaded, load

log = structlog.get_logger()


class ReloadingUrl:
    """A server's URL as the settings say it now; the last good one when they cannot be read."""

    def __init__(
        self, loaded: Loaded, field: Literal["database_url", "read_database_url", "amqp_url"]
    ) -> None:
        self._flags = loaded.flags
        self._field = field
        self._last = self._value_of(loaded)

    def __call__(self) -> str:
        """Return the URL, password included."""
        try:
            self._last = self._value_of(load(self._flags))
        except (ConfigurationError, OSError) as error:
            log.warning("settings.unreadable", reason=str(error), kept=self._field)
        return self._last

    def _value_of(self, loaded: Loaded) -> str:
        settings = loaded.settings
        urls = {
            "database_url": settings.database_url,
            "read_database_url": settings.read_database_url,
            "amqp_url": settings.amqp_url,
        }
        return urls[self._field].get_secret_value()
