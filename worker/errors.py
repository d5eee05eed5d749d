"""The worker's errors, sorted by what the reader must do.

SessionStoreError
├── ConfigurationError          change something, then start again (exit 78)
│   ├── SchemaError             the database is behind, ahead or altered
│   ├── RightsError             the login may not do what it is used for
│   └── TopologyError           the broker's side is missing or differs
├── UnavailableError            wait; it is tried again (exit 75 when it never came)
│   ├── StorageUnavailable      the database cannot take or answer this now
│   ├── Overloaded              every connection is in use for longer than the caller waits
│   └── BrokerUnavailable       the broker cannot be reached or closed the connection
├── AnswerTooLarge              ask for less
└── RowRefused                  the database refuses this very content, now and for ever
"""


class SessionStoreError(Exception):
    """Everything that this program raises on purpose."""


class ConfigurationError(SessionStoreError):
    """Something is set up wrongly: it stays wrong until a person changes it."""


class SchemaError(ConfigurationError):
    """The database's schema is not the one this program was written for."""


class RightsError(ConfigurationError):
    """The database's login may not do what it is used for."""


class TopologyError(ConfigurationError):
    """An exchange or a queue is missing or was declared differently."""


class UnavailableError(SessionStoreError):
    """A dependency cannot serve now; the same call may succeed later."""


class StorageUnavailable(UnavailableError):
    """The database cannot take or answer this now; `reason` is a short word for people and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Overloaded(UnavailableError):
    """Every connection stayed in use for as long as the caller was willing to wait."""


class BrokerUnavailable(UnavailableError):
    """The broker cannot be reached, or it closed the connection."""


class AnswerTooLarge(SessionStoreError):
    """What was asked for has more bytes than an answer may have."""


class RowRefused(SessionStoreError):
    """The database refuses this content (SQLSTATE 22, 23 or 54); trying again changes nothing."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
