"""Opens every connection to PostgreSQL: the driver is given all parameters, and reads none of the environment."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import asyncpg

from contracts.sockets import end_when_unanswered
from worker.errors import StorageUnavailable
from worker.settings.postgres.address import DatabaseAddress, read_database_address
from worker.store.failures import add_place, logging_in

LONGEST_SECONDS: Final = 60.0
UNUSABLE: Final = "the address cannot be used"

Context = ssl.SSLContext | None


class SocketConnection(asyncpg.Connection):
    """Knows its transport, whose socket the kernel watches while the login lasts too."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        self.transport = transport
        end_when_unanswered(transport)


async def connect(
    dsn: str,
    *,
    settings: dict[str, str] | None = None,
    timeout: float = LONGEST_SECONDS,
    target_session_attrs: str | None = None,
    **options: Any,
) -> asyncpg.Connection:
    """Return a connection to the first of the hosts that is as `target_session_attrs` asks, within `timeout` seconds.

    `settings` go before those of the address, and a `connect_timeout` of the address may end the attempt earlier.
    With the modes `prefer` and `allow` a second attempt is made without TLS, or with it, as libpq does. Raises
    DatabaseRefused, StorageUnavailable for files that have gone since the start, and the driver's own errors.
    """
    address, contexts = _read(dsn)
    until = monotonic() + min(timeout, address.numbers.get("connect_timeout") or timeout)
    arguments = {**_arguments(address, settings or {}, target_session_attrs), **options}
    with logging_in(address.destination, address.settings.keys()):
        connection = await _connect(arguments, contexts, until)
    if isinstance(connection, SocketConnection):
        end_when_unanswered(connection.transport, address.numbers)
    return connection


async def _connect(
    arguments: dict[str, Any], contexts: Sequence[Context], until: float
) -> asyncpg.Connection:
    *others, last = contexts
    for context in others:
        try:
            return await asyncpg.connect(**arguments, ssl=context or False, timeout=_left(until))
        except _WITHOUT_ANSWER as error:
            if isinstance(error, TimeoutError | asyncpg.InvalidPasswordError):
                raise
    return await asyncpg.connect(**arguments, ssl=last or False, timeout=_left(until))


_WITHOUT_ANSWER: Final = (
    OSError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""The errors of an attempt when the server has no TLS, has only TLS, or has a rule for one of the two alone."""


@contextmanager
def noting(dsn: str) -> Iterator[None]:
    """Add a note to an error of the driver in the block, for the command line: the server and the login."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        add_place(error, read_database_address(dsn).destination)
        raise


def _read(dsn: str) -> tuple[DatabaseAddress, list[Context]]:
    try:
        address = read_database_address(dsn)
        try:
            return address, _contexts(address)
        except ValueError as error:
            unusable = StorageUnavailable(UNUSABLE)
            add_place(unusable, address.destination)
            raise unusable from error
    except ValueError as error:
        raise StorageUnavailable(UNUSABLE) from error


def _contexts(address: DatabaseAddress) -> list[Context]:
    """Return how each attempt is encrypted; a socket never is."""
    if all(endpoint.host.startswith("/") for endpoint in address.endpoints):
        return [None]
    context = address.tls.context()
    match address.tls.mode:
        case "prefer":
            return [context, None]
        case "allow":
            return [None, context]
    return [context]


def _arguments(address: DatabaseAddress, settings: dict[str, str], target: str | None) -> dict[str, Any]:
    """Return the driver's arguments; it would take the environment's value for each that is None."""
    return {
        "host": [endpoint.host for endpoint in address.endpoints],
        "port": [endpoint.port for endpoint in address.endpoints],
        "user": address.user,
        "password": address.password or "",
        "database": address.database,
        "connection_class": SocketConnection,
        "direct_tls": address.tls.is_direct,
        "server_settings": {**address.settings, **settings},
        "target_session_attrs": target or address.target,
        "krbsrvname": address.kerberos[0],
        "gsslib": address.kerberos[1],
    }


def _left(until: float) -> float:
    return max(until - monotonic(), 0.001)
