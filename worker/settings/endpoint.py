"""The hosts of a server, the login and the database or virtual host, and whether plain text is allowed."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

POSTGRES_PORT: Final = 5432


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
    """A server's endpoints in the order they are tried, the login, the database or virtual host, and TLS."""

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
    "DATABASE_URL": "?sslmode=verify-full&sslrootcert=FILE in DATABASE_URL",
    "SESSION_STORE_READ_DATABASE_URL": "?sslmode=verify-full&sslrootcert=FILE in SESSION_STORE_READ_DATABASE_URL",
}
"""How to ask for TLS, by the variable of the server."""
