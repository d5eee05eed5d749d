"""Facts about a database. Each class is a row of the statement that its docstring names, with the same columns."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from worker.store.layout import Kind, Partition


@dataclass(frozen=True, slots=True)
class Server:
    """examine_server: the release, and the mode of a new transaction.

    `source` says where `default_transaction_read_only` is set; `role` and `database` are quoted for SQL.
    """

    version: str
    number: int
    encoding: str
    is_standby: bool
    is_read_only: bool
    source: str
    role: str
    database: str
    clock: datetime


@dataclass(frozen=True, slots=True)
class UnsafeSetting:
    """examine_durability: a setting that is off, so that a crash may lose a commit, and where it is set."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """examine_connections: the most connections this role may have, and how many are open that are not workers'."""

    maximum: int
    others: int


@dataclass(frozen=True, slots=True)
class Right:
    """examine_rights, examine_excess, examine_search_paths: the wrong right, and the statement that corrects it."""

    name: str
    statement: str


@dataclass(frozen=True, slots=True)
class LedgerRevision:
    """examine_revisions: a session, live or deleted, and the revision of its last event."""

    session_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Index:
    """examine_indexes: an index; `expected` is the size in bytes that it would have after a rebuild."""

    name: str
    table_name: str
    is_valid: bool
    is_primary: bool
    is_part: bool
    is_partitioned: bool
    bytes: int
    expected: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How the sessions are stored: in one table or in partitions."""

    kind: Kind
    partitions: list[Partition]


@dataclass(frozen=True, slots=True)
class Transaction:
    """examine_transactions: an open transaction; `waiting` sessions are blocked by it."""

    pid: int
    role: str
    application: str
    is_idle: bool
    seconds: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Visibility:
    """examine_sight: whether this role sees the sessions of others, and whether the view of statements exists."""

    sees_all: bool
    has_statements: bool


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """examine_statements: a statement, without its constants; `milliseconds` is the mean of its calls."""

    calls: int
    milliseconds: float
    query: str


class NoStatistics(StrEnum):
    """Why the server keeps no statistics of statements."""

    NOT_INSTALLED = "pg_stat_statements is not installed"
    NOT_LOADED = "pg_stat_statements is not in shared_preload_libraries"


@dataclass(frozen=True, slots=True)
class TableVacuum:
    """examine_vacuum: whether autovacuum runs on the server and on a table, and the table's live and dead rows."""

    is_on: bool
    table_name: str
    is_off_here: bool
    live: int
    dead: int


@dataclass(frozen=True, slots=True)
class Compression:
    """examine_compression: a table, whether the server has lz4, and the columns that are not compressed by it."""

    table_name: str
    has_lz4: bool
    others: list[str]


@dataclass(frozen=True, slots=True)
class Role:
    """examine_role: the attributes of this role beyond a login; `unlimited` are the time limits it does not have."""

    is_privileged: bool
    role: str
    member_of: list[str]
    owned: int
    unlimited: list[str]


@dataclass(frozen=True, slots=True)
class MissingGuard:
    """examine_guards: a trigger or a function's setting that should protect the tables and does not."""

    missing: str


@dataclass(frozen=True, slots=True)
class Encryption:
    """examine_tls: whether this connection uses TLS, and whether it stays on this host."""

    is_encrypted: bool
    version: str | None
    is_local: bool


@dataclass(frozen=True, slots=True)
class Replication:
    """examine_replica: whether the server is a standby, and how far its replay is behind."""

    is_standby: bool
    lag_seconds: float
