"""Where the broker is and how it is reached, read from AMQP_URL once: the libraries are given the result.

Source of the options: aiormq, and https://www.rabbitmq.com/docs/uri-query-parameters for those of RabbitMQ.
"""

import ssl
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from contracts.urls import ServerUrl, read_server_url
from worker.settings.endpoint import AMQP_PORT, AMQPS_PORT, Destination, Endpoint
from worker.settings.tls_files import load_authorities, load_certificate

SCHEMES: Final = ("amqp", "amqps")
ALIASES: Final = {"cacertfile": "cafile", "auth_mechanism": "auth"}
TLS_OPTIONS: Final = ("cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl", "verify")
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
TRUE: Final = ("1", "true", "yes", "on")
FALSE: Final = ("0", "false", "no", "off")
VERIFY: Final = ("verify_peer", "verify_none")
MECHANISMS: Final = ("plain", "external")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """All that decides a connection; `options` are those of TLS, by aiormq's names."""

    endpoints: tuple[Endpoint, ...]
    user: str
    password: str = field(repr=False)
    vhost: str
    is_encrypted: bool
    verifies: bool
    mechanism: str
    options: Mapping[str, str] = field(repr=False)
    notices: tuple[str, ...]

    @property
    def destination(self) -> Destination:
        """The hosts, the login and whether a connection is in plain text."""
        return Destination(self.endpoints, self.user, self.vhost, self.is_encrypted)

    def urls(self) -> list[str]:
        """Return a URL for each host, in the order in which they are tried, without the options of TLS."""
        scheme = "amqps" if self.is_encrypted else "amqp"
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        rest = f"{quote(self.vhost, safe='')}?auth={self.mechanism}"
        return [f"{scheme}://{login}@{endpoint}/{rest}" for endpoint in self.endpoints]

    def context(self) -> ssl.SSLContext | None:
        """Return the context of TLS, None without; raises ValueError that names a file that cannot be used."""
        if not self.is_encrypted:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.verifies:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _trust(context, self.options)
        if certificate := self.options.get("certfile"):
            load_certificate(context, ("certfile", "keyfile"), certificate, self.options.get("keyfile"), "")
        return context


def read_broker_address(url: str) -> BrokerAddress:
    """Return the address that a URL gives; raises ValueError, which has none of its text but names."""
    if url.partition("://")[0] not in SCHEMES:
        raise ValueError("must begin with amqp:// or amqps:// and name a host")
    parts = read_server_url(url)
    if not parts.hosts or not parts.hosts[0][0]:
        raise ValueError("must begin with amqp:// or amqps:// and name a host")
    is_encrypted = parts.scheme == "amqps"
    port = AMQPS_PORT if is_encrypted else AMQP_PORT
    options = _options_of(parts)
    return BrokerAddress(
        endpoints=tuple(Endpoint(host, own or port) for host, own in parts.hosts),
        user=parts.user or "guest",
        password=parts.password or "guest",
        vhost=parts.path or "/",
        is_encrypted=is_encrypted,
        verifies=_verifies(options),
        mechanism=_one_of("auth", options.get("auth", "plain").lower(), MECHANISMS),
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


def _verifies(options: Mapping[str, str]) -> bool:
    """Whether the broker's certificate is compared. aiormq takes every value of `no_verify_ssl` but 0 for yes."""
    skipped = _one_of("no_verify_ssl", options.get("no_verify_ssl", "0").lower(), (*TRUE, *FALSE)) in TRUE
    return not skipped and _one_of("verify", options.get("verify", "verify_peer"), VERIFY) == "verify_peer"


def _one_of(name: str, value: str, values: tuple[str, ...]) -> str:
    if value not in values:
        raise ValueError(f"asks for an unknown {name}; it is one of {', '.join(values)}")
    return value


def _trust(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    file, directory, data = (options.get(name) for name in ("cafile", "capath", "cadata"))
    if not (file or directory or data):
        context.load_default_certs()
    if file:
        load_authorities(context, "cafile", file)
    try:
        if directory:
            context.load_verify_locations(capath=directory)
        if data:
            context.load_verify_locations(cadata=b64decode(data, validate=True))
    except (ssl.SSLError, OSError, Base64Error):
        raise ValueError("names authorities as capath or cadata that cannot be read") from None
