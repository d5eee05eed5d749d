"""The hosts of a database: lists, ports, IPv6 addresses, sockets, and where to look when nothing names one."""

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from contracts.urls import check_host, read_port
from worker.settings.endpoint import POSTGRES_PORT, Endpoint
from worker.settings.postgres.parameters import Parameters
from worker.settings.postgres.sources import text_of

LIBPQ: Final = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
SOCKETS: Final = ("/run/postgresql", "/var/run/postgresql")
"""Only PostgreSQL's user may write there; into /tmp any user could put a socket, and be told the password."""


def url_of_environment(environment: Mapping[str, str]) -> str | None:
    """Return a URL of libpq's variables, with libpq's defaults for those not set; None when none is set.

    A service says the rest itself, so its URL is bare. Raises ValueError that names the variable.
    """
    if environment.get("PGSERVICE"):
        return "postgresql://"
    if not any(environment.get(name) for name in LIBPQ):
        return None
    database, user, password = (quote(text_of(environment, name), safe="") for name in LIBPQ[2:])
    parameters = Parameters(
        {"host": text_of(environment, "PGHOST") or "localhost", "port": text_of(environment, "PGPORT")},
        {"host": "PGHOST", "port": "PGPORT"},
    )
    hosts = ",".join(map(_in_url, endpoints_of(parameters)))
    login = (user or "postgres") + (f":{password}" if password else "")
    return f"postgresql://{login}@{hosts}/{database or user or 'postgres'}"


def endpoints_of(parameters: Parameters) -> tuple[Endpoint, ...]:
    """Return the hosts with their ports, in the order in which they are tried; raises ValueError."""
    ports = (parameters.get("port") or "").split(",")
    text = parameters.get("host")
    hosts = list(map(_split_host, text.split(","))) if text else [("", "")]
    if len(ports) not in (1, len(hosts)):
        raise ValueError(
            f"has {len(ports)} ports in {parameters.name('port')} for {len(hosts)} hosts in {parameters.name('host')}"
        )
    if len(hosts) > 1 and not all(host for host, _ in hosts):
        raise ValueError(f"must name a host before and after each comma of {parameters.name('host')}")
    numbers = ports * len(hosts) if len(ports) == 1 else ports
    try:
        found = [
            (host, read_port(own or port or str(POSTGRES_PORT)))
            for (host, own), port in zip(hosts, numbers, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"has a wrong {parameters.name('port')}: {error}") from None
    if found[0][0]:
        return tuple(Endpoint(check_host(host), port) for host, port in found)
    return _default_endpoints(found[0][1])


def _default_endpoints(port: int) -> tuple[Endpoint, ...]:
    """Return the sockets that are there, and this host: no URL and no variable names a host."""
    sockets = [Endpoint(directory, port) for directory in SOCKETS]
    there = [socket for socket in sockets if os.path.exists(str(socket))]
    return (*there, Endpoint("localhost", port))


def _split_host(text: str) -> tuple[str, str]:
    """Return a host and the port behind it, if any: an IPv6 address may stand in brackets and need not."""
    if found := re.fullmatch(r"\[([^\]]*)\](?::([0-9]*))?", text):
        return found[1], found[2] or ""
    if text.startswith("/") or text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _in_url(endpoint: Endpoint) -> str:
    host = endpoint.host
    return f"{f'[{host}]' if ':' in host else quote(host, safe='')}:{endpoint.port}"
