"""Logs in for the doctor, and classifies a login that failed."""

import ssl
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import asyncpg

from worker.errors import StorageUnavailable
from worker.settings.certificates import reason_of_tls
from worker.store.connecting import connect
from worker.store.examination.database import ExaminedDatabase
from worker.store.failures import translated
from worker.store.pool import TAKES_WRITES

ANY_SERVER: Final = "any"
APPLICATION: Final = "session-store doctor"
RULES_FUNCTION: Final = "ClientAuthentication"
"""The server's function that finds no rule in pg_hba.conf; its error shares the SQLSTATE with others."""


class LoginProblem(Enum):
    """Why a login failed."""

    PASSWORD = auto()
    DATABASE = auto()
    ROLE = auto()
    NO_RULE = auto()
    SQLSTATE = auto()
    TLS = auto()
    URL = auto()
    CLOSED = auto()
    TIMEOUT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """A login that failed; `detail` is the SQLSTATE, why TLS failed, or the name of the driver's exception."""

    problem: LoginProblem
    detail: str


async def log_in(url: str, timeout: float) -> ExaminedDatabase:
    """Return the database. Of several servers it is one that takes writes, where there is one.

    Every call ends within `timeout` seconds. Raises StorageUnavailable, which `login_failure` classifies.
    """
    with translated():
        try:
            connection = await _connect(url, timeout, TAKES_WRITES)
        except asyncpg.TargetServerAttributeNotMatched:
            connection = await _connect(url, timeout, ANY_SERVER)
    return ExaminedDatabase(connection)


def login_failure(failed: StorageUnavailable) -> LoginFailure:
    """Return why `log_in` failed, by SQLSTATE and the server's function and never by message text."""
    match error := failed.__cause__:
        case asyncpg.InvalidPasswordError():
            return LoginFailure(LoginProblem.PASSWORD, error.sqlstate or "")
        case asyncpg.InvalidCatalogNameError():
            return LoginFailure(LoginProblem.DATABASE, error.sqlstate or "")
        case asyncpg.InvalidAuthorizationSpecificationError():
            is_rule = getattr(error, "server_source_function", None) == RULES_FUNCTION
            return LoginFailure(LoginProblem.NO_RULE if is_rule else LoginProblem.ROLE, error.sqlstate or "")
        case asyncpg.PostgresError():
            return LoginFailure(LoginProblem.SQLSTATE, error.sqlstate or "")
        case ssl.SSLError():
            return LoginFailure(LoginProblem.TLS, reason_of_tls(error))
        case asyncpg.ClientConfigurationError() | ValueError():
            return LoginFailure(LoginProblem.URL, type(error).__name__)
        case ConnectionError():
            return LoginFailure(LoginProblem.CLOSED, type(error).__name__)
        case TimeoutError():
            return LoginFailure(LoginProblem.TIMEOUT, "")
    return LoginFailure(LoginProblem.OTHER, type(error).__name__)


async def _connect(url: str, timeout: float, target: str) -> asyncpg.Connection:
    settings = {"application_name": APPLICATION, "statement_timeout": str(int(timeout * 1000))}
    return await connect(
        url, settings=settings, timeout=timeout, target_session_attrs=target, command_timeout=timeout
    )
