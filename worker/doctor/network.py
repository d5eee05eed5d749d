"""Whether a server's hosts can be found, and its ports reached."""

import asyncio
import socket
from typing import Final

from worker.finding import Finding, ok, skipped, warning, wrong
from worker.settings.endpoint import Destination, Endpoint

ELSEWHERE: Final = "the URL names no host: the driver looks where it always does"


async def examine_hosts(to: Destination, variable: str, timeout: float) -> Finding:
    """Find hosts that have no address."""
    if not to.endpoints:
        return skipped(ELSEWHERE)
    found: list[str] = []
    lost: list[str] = []
    for endpoint in to.endpoints:
        address = await _resolve(endpoint, timeout)
        (found if address else lost).append(f"{endpoint.host} is {address}" if address else endpoint.host)
    if not lost:
        return ok(", ".join(found))
    names = ", ".join(lost)
    mend = f"correct the host in {variable}, or the name service: getent hosts {lost[0]}"
    return (
        warning(f"no address for {names}; {', '.join(found)}", mend)
        if found
        else wrong(f"no address for {names}", mend)
    )


async def examine_ports(to: Destination, variable: str, timeout: float) -> tuple[Finding, str]:
    """Find ports that nobody answers at; also return this host's own address on the way to the first that does."""
    if not to.endpoints:
        return skipped(ELSEWHERE), ""
    own = ""
    failures: list[tuple[Endpoint, OSError]] = []
    for endpoint in to.endpoints:
        try:
            own = own or await _reach(endpoint, timeout)
        except OSError as error:
            failures.append((endpoint, error))
    reached = len(to.endpoints) - len(failures)
    if not failures:
        return ok(", ".join(map(str, to.endpoints))), own
    said = ", ".join(f"{endpoint}: {_reason(failure)}" for endpoint, failure in failures)
    first, cause = failures[0]
    mend = (
        f"start the server on {first.host}, or correct the port in {variable}"
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError)
        else f"let this host through to {first} (firewall, network policy), or correct {variable}"
    )
    return (warning(said, mend) if reached else wrong(said, mend)), own


async def _resolve(endpoint: Endpoint, timeout: float) -> str | None:
    if endpoint.host.startswith("/"):
        return "a socket"
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(
                endpoint.host, endpoint.port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError):  # no address, no answer in time, or a word that is no host's name
        return None
    return str(found[0][4][0])


async def _reach(endpoint: Endpoint, timeout: float) -> str:
    """Return our own address; raises OSError."""
    async with asyncio.timeout(timeout):
        if endpoint.host.startswith("/"):
            _, writer = await asyncio.open_unix_connection(str(endpoint))
        else:
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    name = writer.get_extra_info("sockname")
    writer.transport.abort()
    return str(name[0]) if isinstance(name, tuple) else "local"


def _reason(error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return "no answer in time"
        case FileNotFoundError():
            return "no such socket"
    return error.strerror or type(error).__name__
