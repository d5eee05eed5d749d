"""Reads the URL of a server strictly: a text with two readings has none. No error repeats any of the text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlencode

RULE: Final = (
    "cannot be read: in a user name, a password or a name write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, "
    "[ as %5B and ] as %5D; a port is a number from 1 to 65535, and an IPv6 address stands in [ ]"
)
MAX_PORT: Final = 65_535
AMQP_PORTS: Final = {"amqp": 5672, "amqps": 5671}
GUEST: Final = "guest"
"""RabbitMQ's user, and its password, where a URL names none."""

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?"
)
_PORT: Final = re.compile(r"[0-9]{1,5}")
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and bytes of the environment or a command line that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A URL's parts, percent-decoded; `None` stands for a part that is not there.

    `hosts` are names, addresses without brackets or directories of sockets, each with the port that the URL gives it;
    the only one may be empty.
    """

    scheme: str
    user: str | None
    password: str | None = field(repr=False)
    hosts: tuple[tuple[str, int | None], ...]
    path: str | None
    options: dict[str, str] = field(repr=False)


def read_server_url(text: str) -> ServerUrl:
    """Return the parts of a URL with one host, several with commas, or none; the last of equal options counts.

    Raises ValueError for everything that a driver might read in another way.
    """
    found = _URL.fullmatch(text)
    if found is None or _UNREADABLE.search(text):
        raise ValueError(RULE)
    login, at, hosts = found["authority"].rpartition("@")
    path, query = found["path"], found["query"] or ""
    is_cut_short = bool(hosts) and not at and "@" in f"{path}{query}"  # a raw / or ? in a password
    if re.search(r"[@\[\]]", login) or "@" in (path or "") or is_cut_short:
        raise ValueError(RULE)
    user, colon, password = login.partition(":")
    return ServerUrl(
        scheme=found["scheme"],
        user=decode(user) if at else None,
        password=decode(password) if colon else None,
        hosts=_read_hosts(hosts),
        path=None if path is None else decode(path[1:]),
        options=dict(map(_read_option, filter(None, query.split("&")))),
    )


def broker_urls(parts: ServerUrl, options: Mapping[str, str]) -> list[str]:
    """Return a URL for each host, in the order written, with these options; every library reads it in one way."""
    login = ":".join(quote(text or GUEST, safe="") for text in (parts.user, parts.password))
    rest = f"{quote(parts.path or '/', safe='')}?{urlencode(options)}"
    places = (f"[{host}]" if ":" in host else host for host, _ in parts.hosts)
    ports = (port or AMQP_PORTS[parts.scheme] for _, port in parts.hosts)
    return [
        f"{parts.scheme}://{login}@{place}:{port}/{rest}" for place, port in zip(places, ports, strict=True)
    ]


def read_port(text: str) -> int:
    """Return a port; raises ValueError."""
    if not _PORT.fullmatch(text) or not 0 < int(text) <= MAX_PORT:
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)


def decode(text: str) -> str:
    """Return percent-encoded text decoded; raises ValueError where that is not UTF-8, or has a NUL character."""
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("cannot be read: its percent-encoded text is not UTF-8") from None
    if "\0" in decoded:
        raise ValueError("cannot be read: it has a NUL character (%00)")
    return decoded


def check_host(host: str) -> str:
    """Return a host that the name service can be asked for, or the empty text; raises ValueError for another text."""
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError("cannot be read: one of its hosts is not the name of a host") from None
    return host


def _read_hosts(text: str) -> tuple[tuple[str, int | None], ...]:
    if not text:
        return ()
    hosts = tuple(map(_read_host, text.split(",")))
    if len(hosts) > 1 and not all(host for host, _ in hosts):
        raise ValueError("must name a host before and after each comma")
    return hosts


def _read_host(text: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError(RULE)
    host, port = found["six"] or decode(found["name"]), found["port"]
    if not host.startswith("/"):
        check_host(host)
    try:
        return host, read_port(port) if port else None
    except ValueError:
        raise ValueError(RULE) from None


def _read_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(RULE)
    return decode(name), decode(value)
