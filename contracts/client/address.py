"""Where the broker is and how the client reaches it, read from its URL once: the library is given the result."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ..broker_tls import TLS_ALIASES, TLS_OPTIONS, open_context, verifies
from ..urls import AMQP_PORTS, ServerUrl, broker_urls, read_server_url


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A URL for each host, in the order in which they are tried, and the options of TLS."""

    urls: list[str] = field(repr=False)
    is_encrypted: bool
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the address; raises ValueError, without the URL's text, where it has no host or two readings."""
        if url.partition("://")[0] not in AMQP_PORTS:
            raise ValueError("url must begin with amqp:// or amqps://")
        try:
            return cls._of(read_server_url(url))
        except ValueError as error:
            raise ValueError(f"url {error}") from None

    @classmethod
    def _of(cls, parts: ServerUrl) -> Self:
        if not parts.hosts or not parts.hosts[0][0]:
            raise ValueError("must name a host")
        options = {TLS_ALIASES.get(name, name): value for name, value in parts.options.items()}
        tls = {name: value for name, value in options.items() if name in TLS_OPTIONS}
        verifies(tls)
        others = {name: value for name, value in options.items() if name not in TLS_OPTIONS}
        return cls(broker_urls(parts, others), parts.scheme == "amqps", tls)

    def context(self) -> ssl.SSLContext | None:
        """Return the context of TLS, None without; raises ValueError that names a file that cannot be used.

        The files are read here, so a renewed certificate needs no restart.
        """
        return open_context(self.options) if self.is_encrypted else None
