"""Where the broker is and how it is reached, read from AMQP_URL once: the libraries are given the result.

Source of the options: aiormq, and https://www.rabbitmq.com/docs/uri-query-parameters for those of RabbitMQ.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.broker_tls import TLS_ALIASES, TLS_OPTIONS, one_of, open_context, verifies
from contracts.urls import AMQP_PORTS, GUEST, ServerUrl, broker_urls, read_server_url
from worker.settings.endpoint import Destination, Endpoint

ALIASES: Final = {**TLS_ALIASES, "auth_mechanism": "auth"}
IGNORED: Final = {
    "heartbeat": "this program has one of its own",
    "timeout": "SESSION_STORE_CONNECTION_TIMEOUT_MS is in force",
    "connection_timeout": "SESSION_STORE_CONNECTION_TIMEOUT_MS is in force",
    "name": "connections are named after their use",
    "channel_max": "the broker's own limit is in force",
    "frame_max": "the broker's own limit is in force",
    "fail_if_no_peer_cert": "only a server asks for that",
}
REFUSED: Final = {
    "password": "store the key without one, readable by this program alone",  # pragma: allowlist secret
    "server_name_indication": "the host's own name is sent and compared",
    "depth": "the depth of a chain is OpenSSL's own limit",
}
MECHANISMS: Final = ("plain", "external")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """All that decides a connection; `options` are those of TLS, by aiormq's names."""

    parts: ServerUrl
    is_encrypted: bool
    verifies: bool
    mechanism: str
    options: Mapping[str, str] = field(repr=False)
    notices: tuple[str, ...]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The hosts with their ports, in the order in which they are tried."""
        standard = AMQP_PORTS[self.parts.scheme]
        return tuple(Endpoint(host, port or standard) for host, port in self.parts.hosts)

    @property
    def user(self) -> str:
        """The user that logs in."""
        return self.parts.user or GUEST

    @property
    def vhost(self) -> str:
        """The virtual host."""
        return self.parts.path or "/"

    @property
    def destination(self) -> Destination:
        """The hosts, the login and whether a connection is in plain text."""
        return Destination(self.endpoints, self.user, self.vhost, self.is_encrypted)

    def urls(self) -> list[str]:
        """Return a URL for each host, in the order in which they are tried, without the options of TLS."""
        return broker_urls(self.parts, {"auth": self.mechanism})

    def context(self) -> ssl.SSLContext | None:
        """Return the context of TLS, None without; raises ValueError that names a file that cannot be used."""
        return open_context(self.options) if self.is_encrypted else None


def read_broker_address(url: str) -> BrokerAddress:
    """Return the address that a URL gives; raises ValueError, which has none of its text but names."""
    if url.partition("://")[0] not in AMQP_PORTS:
        raise ValueError("must begin with amqp:// or amqps:// and name a host")
    parts = read_server_url(url)
    if not parts.hosts or not parts.hosts[0][0]:
        raise ValueError("must begin with amqp:// or amqps:// and name a host")
    is_encrypted = parts.scheme == "amqps"
    options = _options_of(parts)
    return BrokerAddress(
        parts=parts,
        is_encrypted=is_encrypted,
        verifies=verifies(options),
        mechanism=one_of("auth", options.get("auth", "plain").lower(), MECHANISMS),
        options={name: value for name, value in options.items() if name in TLS_OPTIONS},
        notices=tuple(_notices(options, is_encrypted=is_encrypted)),
    )


def _options_of(parts: ServerUrl) -> dict[str, str]:
    options = {ALIASES.get(name, name): value for name, value in parts.options.items()}
    for name in options:
        if name in REFUSED:
            raise ValueError(f"asks for {name}, which is not supported: {REFUSED[name]}")
        if name not in (*TLS_OPTIONS, *IGNORED, "auth"):
            known = ", ".join((*TLS_OPTIONS, "auth"))
            raise ValueError(f"has an unknown option {name!r}; the options are {known}")
    return options


def _notices(options: Mapping[str, str], *, is_encrypted: bool) -> Iterator[str]:
    for name in options:
        if name in IGNORED:
            yield f"{name} is ignored: {IGNORED[name]}"
        elif name in TLS_OPTIONS and not is_encrypted:
            yield f"{name} is ignored: amqp:// has no TLS, write amqps://"
