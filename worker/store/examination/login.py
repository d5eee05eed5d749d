"""Logs in for the doctor, and says of each refusal whose it is and what mends it."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg

from worker.finding import Finding, psql, wrong
from worker.settings.certificates import reason_of_tls
from worker.settings.endpoint import Destination
from worker.store.failures import reason_of, translated
from worker.store.pool import TAKES_WRITES

CLOSE_SECONDS: Final = 1.0
BY_RULE: Final = "ClientAuthentication"
"""The server's function that finds no rule in pg_hba.conf; its errors have the SQLSTATE of others."""


Examine = Callable[[asyncpg.Connection], Awaitable[Finding]]


class Database:
    """A connection whose transactions change nothing; every call ends in bounded time."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def ask(self, examine: Examine) -> Finding:
        """Return what `examine` finds; raises StorageUnavailable when the server does not answer it."""
        with translated():
            async with self._connection.transaction(readonly=True):
                return await examine(self._connection)

    async def close(self) -> None:
        """Leave the connection closed, or cut when the server does not answer in time."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=CLOSE_SECONDS)
        self._connection.terminate()


async def log_in(url: str, timeout: float) -> Database:
    """Return the database, of several servers the one that takes writes, if there is one.

    Every call ends within `timeout` seconds. Raises what `explain_refusal` explains.
    """
    try:
        connection = await _connect(url, timeout)
    except asyncpg.TargetServerAttributeNotMatched:
        connection = await _connect(url, timeout, writes=False)
    return Database(connection)


def explain_refusal(error: Exception, to: Destination, own_address: str) -> Finding:
    """Return why there is no connection; by SQLSTATE and the server's function, never by its words."""
    match error:
        case asyncpg.InvalidPasswordError():
            return wrong(
                f"password refused for role {to.user}, or there is no such role",
                f'set the right password in DATABASE_URL, or a new one: psql -U postgres -c "\\password {to.user}"',
            )
        case asyncpg.InvalidCatalogNameError():
            create = f'createdb -U postgres --owner="{to.user}" "{to.name}" && session-store migrate'
            return wrong(f"there is no database {to.name}", create)
        case asyncpg.InvalidAuthorizationSpecificationError():
            return _explain_authorization(error, to, own_address)
        case asyncpg.PostgresError():
            return _explain_state(error, to)
        case ssl.SSLError():
            return wrong(
                reason_of_tls(error),
                "name the authority of the server's certificate in DATABASE_URL: "
                "?sslmode=verify-full&sslrootcert=FILE",
            )
        case asyncpg.ClientConfigurationError() | ValueError():
            return wrong(f"DATABASE_URL cannot be used: {type(error).__name__}", "correct DATABASE_URL")
        case ConnectionError() if to.is_encrypted:
            return wrong(
                "the server has no TLS, or ends the connection",
                "have ssl = on in postgresql.conf, or take sslmode out of DATABASE_URL",
            )
    said = f"{type(error).__name__} while logging in"
    return wrong(said, "look into the server's log; is it PostgreSQL that listens there?")


async def _connect(url: str, timeout: float, *, writes: bool = True) -> asyncpg.Connection:
    return await asyncpg.connect(
        url,
        timeout=timeout,
        command_timeout=timeout,
        target_session_attrs=TAKES_WRITES if writes else None,
        server_settings={
            "application_name": "session-store doctor",
            "statement_timeout": str(int(timeout * 1000)),
        },
    )


def _explain_authorization(error: asyncpg.PostgresError, to: Destination, own_address: str) -> Finding:
    if getattr(error, "server_source_function", None) != BY_RULE:
        return wrong(
            f"role {to.user} does not exist or may not log in",
            "session-store roles  # as a superuser; then log in as session_store_worker",
        )
    length = 128 if ":" in own_address else 32
    kind = "hostssl" if to.is_encrypted else "host"
    rule = f"{kind} {to.name} {to.user} {own_address}/{length} scram-sha-256"
    reload = "psql -U postgres -c 'SELECT pg_reload_conf()'"
    advice = "" if to.is_encrypted else "; where only TLS is let in: ?sslmode=require in DATABASE_URL"
    return wrong(
        f"pg_hba.conf does not let {to.user} from {own_address} into {to.name}",
        f"put '{rule}' into pg_hba.conf, above what rejects it, and: {reload}{advice}",
    )


def _explain_state(error: asyncpg.PostgresError, to: Destination) -> Finding:
    state = error.sqlstate or ""
    mends = {
        "53300": psql("ALTER SYSTEM SET max_connections = 200", who="a superuser; then restart PostgreSQL"),
        "08P01": "give the doctor the server itself: session-store doctor --database-url postgresql://…",
        "57P03": "wait until the server has started; its log says what it does",
        "42501": f'psql -U postgres -c \'GRANT CONNECT ON DATABASE "{to.name}" TO "{to.user}"\'',
    }
    return wrong(
        reason_of(state), mends.get(state, f"look up SQLSTATE {state}, and look into the server's log")
    )
