"""Attempts at the database, each with a role's own login; the answers are PostgreSQL's."""

from dataclasses import dataclass
from typing import Final

from tests.escapes.attempt import Attempt

NO_RIGHT: Final = "42501"
READ_ONLY: Final = "25006"

WORKER, JANITOR, READER = (f"session_store_{name}" for name in ("worker", "janitor", "reader"))


@dataclass(frozen=True, slots=True)
class DatabaseAttempt(Attempt):
    """A statement of a role, which PostgreSQL refuses with a SQLSTATE: the attempt's answer."""

    role: str
    statement: str


ROWS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    WORKER: {
        "truncate": ("empty the table of sessions", "TRUNCATE sessions"),
        "drop": ("drop the ledger", "DROP TABLE session_ledger"),
        "create-table": ("make a table", "CREATE TABLE mine (a int)"),
        "create-temporary": ("make a temporary table", "CREATE TEMPORARY TABLE sessions (a int)"),
        "create-function": (
            "make a function of its own",
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ),
        "replace-the-law": (
            "replace what holds the order law",
            "ALTER FUNCTION apply_session_events RENAME TO mine",
        ),
        "own-the-law": (
            "have the owner's functions run with a search_path of its own",
            "ALTER FUNCTION mark_erasure SET search_path = mine",
        ),
        "delete-past-the-law": ("delete sessions past the order law", "DELETE FROM sessions"),
        "write-past-the-law": ("overwrite sessions past the order law", "UPDATE sessions SET state = '{}'"),
        "lower-the-ledger": ("lower revisions in the ledger", "UPDATE session_ledger SET revision = 1"),
        "delete-tombstones": ("delete tombstones", "SELECT delete_tombstones('{a}', 1)"),
        "forget-erasures": ("forget erased players", "DELETE FROM session_erasures"),
        "read-erasures": ("read who was erased", "SELECT * FROM session_erasures"),
        "forge-statistics": ("change the statistics", "DELETE FROM session_totals"),
        "forge-migrations": ("have a migration left out", "DELETE FROM session_store_migrations"),
        "no-triggers": ("switch the triggers off", "SET session_replication_role = replica"),
        "become-owner": ("become the owner", "SET ROLE session_store_owner"),
        "become-superuser": ("become a superuser", "ALTER ROLE session_store_worker SUPERUSER"),
        "read-passwords": ("read the roles' passwords", "SELECT rolpassword FROM pg_authid"),
        "read-a-file": ("read a file of the server", "SELECT pg_read_file('/etc/passwd')"),
        "write-a-file": ("write a file of the server", "COPY sessions TO '/tmp/sessions'"),
        "run-a-program": ("run a program on the server", "COPY sessions TO PROGRAM 'cat'"),
        "load-an-extension": ("load an extension", "CREATE EXTENSION file_fdw"),
        "kill-others": (
            "end a superuser's session",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store'",
        ),
        "change-the-server": ("change the server's settings", "ALTER SYSTEM SET ssl = off"),
    },
    JANITOR: {
        "delete-past-the-law": ("delete sessions past the order law", "DELETE FROM sessions"),
        "write-a-session": (
            "write a session",
            "SELECT apply_session_events('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        ),
        "forget-past-the-law": ("forget sessions that are live", "DELETE FROM session_ledger"),
        "truncate": ("empty the ledger", "TRUNCATE session_ledger"),
        "drop": ("drop a table", "DROP TABLE sessions"),
    },
    READER: {
        "read-the-ledger": ("read ids of deleted sessions", "SELECT * FROM session_ledger"),
        "apply-events": (
            "write a session by the worker's function",
            "SELECT apply_session_events('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        ),
    },
}

DATABASE_ATTEMPTS: Final = (
    *(
        DatabaseAttempt(
            name=f"{role.removeprefix('session_store_')}-{name}",
            tried=f"{role.removeprefix('session_store_')}: {tried}",
            by="database",
            answer=NO_RIGHT,
            role=role,
            statement=statement,
        )
        for role, rows in ROWS.items()
        for name, (tried, statement) in rows.items()
    ),
    DatabaseAttempt(
        "reader-writes", "reader: delete sessions", "database", READ_ONLY, READER, "DELETE FROM sessions"
    ),
)
