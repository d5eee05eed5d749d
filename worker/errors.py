"""The worker's errors, sorted by the action that the reader must take. A test compares this tree with the classes.

SessionStoreError
├── ConfigurationError          correct something, then start again (exit status 78)
│   ├── SchemaError             the schema is not the one that this release needs
│   │   ├── SchemaAhead         a newer release migrated the database
│   │   ├── MigrationAltered    a migration was applied from another file
│   │   ├── MigrationsReplaced  a development version migrated the database
│   │   ├── MigrationFailed     the database refused a migration
│   │   ├── EncodingRefused     the database's encoding is not UTF8
│   │   ├── SchemaMoved         functions look for tables in a schema that was renamed
│   │   └── LayoutRefused       the sessions cannot be partitioned
│   ├── RightsError             the login lacks a right
│   │   ├── MigrationRefused    it may not change the schema
│   │   └── RolesRefused        it may not create roles
│   └── TopologyError           an exchange or a queue is missing or was declared differently
├── UnavailableError            wait and try again (exit status 75 when the wait was too long)
│   ├── StorageUnavailable      the database cannot serve this call now
│   │   └── DatabaseRefused     it refuses the login until a person corrects something (exit status 78)
│   ├── BrokerUnavailable       the broker cannot be reached, or closed the connection
│   │   ├── BrokerRefused       it refuses the login until a person corrects something (exit status 78)
│   │   └── TopologyMissing     a queue is missing, and may be declared soon
│   ├── LoginRefused            a server refuses the login that systemd copied when the worker started
│   ├── Overloaded              every connection stayed in use
│   ├── MigrationBlocked        a lock delays a migration
│   ├── RolesBlocked            a lock delays the change of a table's owner
│   └── LayoutBusy              a lock delays the change of the layout
├── AnswerTooLarge              ask for less
├── ComparisonFailed            stop the program that writes to the tables, then convert again
└── RowRefused                  correct the content: the database will never accept it
Exception                       handled where it is raised, and never seen by a command
├── InvalidEvent                the event becomes a dead letter
├── NotPlain                    the models judge the event
├── RpcFailure                  the request is answered with an error
└── BrokenStream                the connection to the broker is closed
OSError
└── OutputFailed                the results of a command cannot be written (exit status 1)
ValueError
└── CursorRefused               the request is answered with an error

The name of an error that demands an action ends in Error; one that names an event does not.
"""


class SessionStoreError(Exception):
    """The base of every error that this program raises on purpose."""


class ConfigurationError(SessionStoreError):
    """Something is configured wrongly, until a person corrects it."""


class SchemaError(ConfigurationError):
    """The schema of the database is not the one that this release needs."""


class RightsError(ConfigurationError):
    """The login of the database lacks a right that it needs."""


class TopologyError(ConfigurationError):
    """An exchange or a queue is missing or was declared differently."""


class UnavailableError(SessionStoreError):
    """A dependency cannot serve now; the same call may succeed later."""


class StorageUnavailable(UnavailableError):
    """The database cannot serve this call now; `reason` is a short text for people and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoginRefused(UnavailableError):
    """A server has refused the login for a while, and a new start may have a newer one."""


class DatabaseRefused(StorageUnavailable):
    """The database refuses the login or one of its parameters, until a person corrects something here or there."""


class Overloaded(UnavailableError):
    """Every connection stayed in use for as long as the caller could wait."""


class BrokerUnavailable(UnavailableError):
    """The broker cannot be reached, or it closed the connection."""


class BrokerRefused(BrokerUnavailable):
    """The broker refuses the login or the virtual host, until a person corrects something here or there."""


class AnswerTooLarge(SessionStoreError):
    """The answer has more bytes than an answer may have."""


class RowRefused(SessionStoreError):
    """The database refuses this content (SQLSTATE 22, 23 or 54), now and later."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
