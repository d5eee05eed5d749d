"""Translates the driver's errors once, by SQLSTATE and never by message text."""

import socket
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from worker.errors import DatabaseRefused, RowRefused, StorageUnavailable
from worker.settings.certificates import reason_of_tls
from worker.settings.endpoint import Destination

REFUSED_CLASSES: Final = ("22", "23", "54")
"""Data exception, constraint violation, program limit: the database will never accept this content."""

LOGIN_REFUSED: Final = "login refused"
REFUSED_LOGINS: Final = ("08P01", "22023", "28", "3D", "42", "55P02")
"""A server's answers to a login until a person corrects something: the pooler or the server refuses a parameter, no
rule or no password admits the role, the database does not exist, or the role may not enter it.
"""

PARAMETERS: Final = ("22023", "42704", "55P02")
"""The server does not know a parameter of the connection, or not this value, or it cannot be set by a client."""

READ_ONLY: Final = "read-only"
TIMEOUT: Final = "timeout"
STATEMENT_TIMEOUT: Final = "statement timeout"
TIMEOUTS: Final = (TIMEOUT, STATEMENT_TIMEOUT)
CONCURRENT: Final = "concurrent change"
POOLED: Final = "a pooler is in between; see SESSION_STORE_POOLER"

REASONS: Final = {
    "08": "connection lost",
    "08P01": POOLED,
    "26": POOLED,
    "25006": READ_ONLY,
    "28": LOGIN_REFUSED,
    "3D": "no such database",
    "40": CONCURRENT,
    "42": "schema or rights not as expected",
    "42P05": POOLED,
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "53400": "limit reached",
    "55P03": "lock not available",
    "57014": STATEMENT_TIMEOUT,
    "57P": "shutting down or starting up",
    "58": "system error",
}
"""Short texts for people and metrics, by SQLSTATE or its longest known prefix."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise RowRefused or StorageUnavailable in place of every error of the driver."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state.startswith(REFUSED_CLASSES):
            raise RowRefused(state, str(error)) from error
        raise _unavailable(error) from error
    except asyncpg.DataError as error:  # the driver's own refusal to encode a value
        raise RowRefused("22000", str(error)) from error
    except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise _unavailable(error) from error


@contextmanager
def logging_in(to: Destination, parameters: Collection[str]) -> Iterator[None]:
    """Raise DatabaseRefused for a login that is refused until a person corrects something.

    Every error gets a note for the command line: the server, the login, and the `parameters` that are for the server.
    """
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        add_place(error, to)
        state = getattr(error, "sqlstate", None) or ""
        if state.startswith(REFUSED_LOGINS):
            refused = DatabaseRefused(reason_of_login(state))
            add_place(refused, to, parameters if state in PARAMETERS else ())
            raise refused from error
        raise


def add_place(error: Exception, to: Destination, parameters: Collection[str] = ()) -> None:
    """Add the server and the login to an error, for the command line, unless it has a note already."""
    if not getattr(error, "__notes__", ()):
        hosts, names = ", ".join(map(str, to.endpoints)), ", ".join(parameters)
        which = f", parameters {names}" if names else ""
        error.add_note(f"PostgreSQL at {hosts}, database {to.name}, role {to.user}{which}")


def reason_of_login(sqlstate: str) -> str:
    """Return the short text for the SQLSTATE of a login that is refused."""
    if sqlstate in PARAMETERS:
        return "a parameter of the connection is refused"
    return "the role may not enter the database" if sqlstate == "42501" else reason_of(sqlstate)


def _unavailable(cause: Exception) -> StorageUnavailable:
    """Return the error with its cause's notes, which only the command line shows."""
    error = StorageUnavailable(reason_of_error(cause))
    for note in getattr(cause, "__notes__", ()):
        error.add_note(note)
    return error


def reason_of(sqlstate: str) -> str:
    """Return the short text for a SQLSTATE that the content did not cause."""
    for length in (5, 3, 2):
        if reason := REASONS.get(sqlstate[:length]):
            return reason
    return f"SQLSTATE {sqlstate}"


def reason_of_error(error: Exception) -> str:
    """Return the short text for an error of the server or the driver."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return reason_of(error.sqlstate)
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return READ_ONLY
    if isinstance(error, ssl.SSLError):
        return reason_of_tls(error)
    if isinstance(error, socket.gaierror):
        return "unknown host"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if type(error) is ConnectionError:  # the driver's own, for a server that has no TLS or goes meanwhile
        return "no TLS there, or connection lost"
    if isinstance(error, OSError):
        return "connection lost"
    return "client error"
