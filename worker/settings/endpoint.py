"""The hosts, login and name that a server's URL holds, without the password."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, unquote

from yarl import URL

from contracts.hosts import split_hosts
from worker.settings.urls import DATABASE_URL

POSTGRES_PORT: Final = 5432
AMQP_PORT: Final = 5672
AMQPS_PORT: Final = 5671
MAX_PORT: Final = 65_535
PLAINTEXT_MODES: Final = ("", "disable", "allow", "prefer")
"""Values of `sslmode` with which the driver may send a password in plain text."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port; a host that begins with a slash is the directory of a Unix socket."""

    host: str
    port: int

    @property
    def is_here(self) -> bool:
        """Whether a connection to it stays on this machine."""
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

    No endpoint: the URL names no host, and the driver takes its default.
    """

    endpoints: tuple[Endpoint, ...]
    user: str
    name: str
    is_encrypted: bool

    @property
    def plaintext_hosts(self) -> list[str]:
        """The hosts, other than this one, that receive a password and sessions without TLS."""
        if self.is_encrypted:
            return []
        return [endpoint.host for endpoint in self.endpoints if not endpoint.is_here]


TLS_SETTINGS: Final = {
    "AMQP_URL": "amqps:// and the broker's TLS port, mostly 5671, in AMQP_URL",
    "DATABASE_URL": "?sslmode=verify-full in DATABASE_URL",
    "SESSION_STORE_READ_DATABASE_URL": "?sslmode=verify-full in SESSION_STORE_READ_DATABASE_URL",
}
"""How to ask for TLS, by the variable of the server."""


def read_database_url(url: str) -> Destination:
    """Return the destination of a PostgreSQL URL, with libpq's rules for several hosts and for `?host=`.

    Raises ValueError for a text that is not a URL, or has a wrong port.
    """
    found = DATABASE_URL.fullmatch(url)
    if found is None:
        raise ValueError("is not a URL")
    login, hosts, path, query = (found[part] or "" for part in ("login", "hosts", "path", "query"))
    options = dict(parse_qsl(query))
    named = (hosts or options.get("host", "")).split(",")
    ports = options.get("port", "").split(",")
    split = [_split_host(host) for host in named if host]
    endpoints = tuple(
        Endpoint(host, _read_port(port or ports[min(at, len(ports) - 1)]))
        for at, (host, port) in enumerate(split)
    )
    user = options.get("user") or unquote(login.partition(":")[0])
    name = options.get("dbname") or options.get("database") or unquote(path.lstrip("/")) or user
    return Destination(endpoints, user, name, options.get("sslmode", "") not in PLAINTEXT_MODES)


def read_amqp_url(url: str) -> Destination:
    """Return the destination of an AMQP URL, with `split_hosts`' rule for several hosts."""
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
        host, bracket, port = text[1:].partition("]")
        if not bracket:
            raise ValueError("has a host with an open bracket")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def _read_port(text: str) -> int:
    port = int(text or POSTGRES_PORT)
    if not 0 < port <= MAX_PORT:
        raise ValueError("no such port")
    return port
