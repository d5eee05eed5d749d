"""Where a server's URL leads, read for people: hosts, login and name, without the password."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from yarl import URL

from contracts.hosts import split_hosts

POSTGRES_PORT: Final = 5432
AMQP_PORT: Final = 5672
AMQPS_PORT: Final = 5671
LARGEST_PORT: Final = 65_535
UNCHECKED: Final = ("", "disable", "allow", "prefer")
"""Values of `sslmode` under which the driver sends a password in plain text where the server wants it so."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port; a host that begins with a slash is the directory of a socket."""

    host: str
    port: int

    @property
    def is_here(self) -> bool:
        """Whether what is sent to it stays on this machine."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.host.startswith("/"):
            return f"{self.host}/.s.PGSQL.{self.port}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A server's endpoints in the order they are tried, the login, the database or virtual host, and TLS.

    No endpoint: the URL names none, and the driver looks where it always does.
    """

    endpoints: tuple[Endpoint, ...]
    user: str
    name: str
    is_encrypted: bool

    @property
    def exposed(self) -> list[str]:
        """The other hosts to which a password and sessions go in plain text."""
        if self.is_encrypted:
            return []
        return [endpoint.host for endpoint in self.endpoints if not endpoint.is_here]


TLS_SETTINGS: Final = {
    "AMQP_URL": "amqps:// and the broker's TLS port, mostly 5671, in AMQP_URL",
    "DATABASE_URL": "?sslmode=verify-full in DATABASE_URL",
    "SESSION_STORE_READ_DATABASE_URL": "?sslmode=verify-full in SESSION_STORE_READ_DATABASE_URL",
}
"""What asks for TLS, by the variable of the server."""


def read_database_url(url: str) -> Destination:
    """Return where a PostgreSQL URL leads, with libpq's rules for several hosts and for `?host=`.

    Raises ValueError for what is no URL or no port.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    options = dict(parse_qsl(parts.query))
    named = (hosts or options.get("host", "")).split(",")
    ports = options.get("port", "").split(",")
    split = [_split_host(host) for host in named if host]
    endpoints = tuple(
        Endpoint(host, _read_port(port or ports[min(at, len(ports) - 1)]))
        for at, (host, port) in enumerate(split)
    )
    user = options.get("user") or unquote(login.partition(":")[0])
    name = options.get("dbname") or options.get("database") or unquote(parts.path.lstrip("/")) or user
    return Destination(endpoints, user, name, options.get("sslmode", "") not in UNCHECKED)


def read_amqp_url(url: str) -> Destination:
    """Return where an AMQP URL leads, with `split_hosts`' rule for several hosts."""
    every = [URL(host) for host in split_hosts(url)]
    parts = every[0]
    is_encrypted = parts.scheme == "amqps"
    port = AMQPS_PORT if is_encrypted else AMQP_PORT
    endpoints = tuple(Endpoint(each.host or "", each.explicit_port or port) for each in every)
    vhost = unquote(parts.raw_path[1:]) or "/"
    return Destination(endpoints, parts.user or "guest", vhost, is_encrypted)


def _split_host(text: str) -> tuple[str, str]:
    text = unquote(text)
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def _read_port(text: str) -> int:
    port = int(text or POSTGRES_PORT)
    if not 0 < port <= LARGEST_PORT:
        raise ValueError("no such port")
    return port
