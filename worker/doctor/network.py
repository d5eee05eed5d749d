"""Whether the hosts of a server have addresses, and whether its ports can be reached."""

import asyncio
import socket

from worker.doctor.finding import Finding, error, ok, warning
from worker.settings.endpoint import Destination, Endpoint


async def check_hosts(to: Destination, variable: str, timeout: float) -> Finding:
    """Find hosts that have no address."""
    found: list[str] = []
    lost: list[str] = []
    for endpoint in to.endpoints:
        address = await _resolve(endpoint, timeout)
        (found if address else lost).append(f"{endpoint.host} is {address}" if address else endpoint.host)
    if not lost:
        return ok(", ".join(found))
    names = ", ".join(lost)
    fix = f"correct the host in {variable}, or the name service: getent hosts {lost[0]}"
    if found:
        return warning(f"no address for {names}; {', '.join(found)}", fix)
    return error(f"no address for {names}", fix)


async def check_ports(to: Destination, variable: str, timeout: float) -> tuple[Finding, str]:
    """Find ports where no server answers; also return this host's own address on the way to the first that does."""
    results = await asyncio.gather(*(_reach(endpoint, timeout) for endpoint in to.endpoints))
    own = next((result for result in results if isinstance(result, str)), "")
    failures = [
        (endpoint, result)
        for endpoint, result in zip(to.endpoints, results, strict=True)
        if isinstance(result, OSError)
    ]
    if not failures:
        return ok(", ".join(map(str, to.endpoints))), own
    message = ", ".join(f"{endpoint}: {_reason(failure)}" for endpoint, failure in failures)
    first, cause = failures[0]
    fix = (
        f"start the server on {first.host}, or correct the port in {variable}"
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError)
        else f"let this host through to {first} (firewall, network policy), or correct {variable}"
    )
    is_reached = len(failures) < len(to.endpoints)
    return (warning(message, fix) if is_reached else error(message, fix)), own


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


async def _reach(endpoint: Endpoint, timeout: float) -> str | OSError:
    """Return our own address, or why the endpoint cannot be reached."""
    try:
        async with asyncio.timeout(timeout):
            if endpoint.host.startswith("/"):
                _, writer = await asyncio.open_unix_connection(str(endpoint))
            else:
                _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError as failure:
        return failure
    name = writer.get_extra_info("sockname")
    writer.transport.abort()
    return str(name[0]) if isinstance(name, tuple) else "local"


def _reason(failure: OSError) -> str:
    match failure:
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return "no answer in time"
        case FileNotFoundError():
            return "no such socket"
    return failure.strerror or type(failure).__name__
