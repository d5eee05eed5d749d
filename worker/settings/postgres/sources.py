"""Gathers libpq's parameters: the URL goes before its service's file, and both before the environment."""

import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from contracts.urls import read_server_url
from worker.settings.postgres.files import SERVICE_FILE, read_service
from worker.settings.postgres.parameters import HONOURED, UNSUPPORTED, Parameters

SCHEMES: Final = ("postgresql", "postgres")
VARIABLES: Final = {
    **HONOURED,
    **{name: rule.variable for name, rule in UNSUPPORTED.items() if name != "client_encoding"},
}
"""The variable of each parameter. PGCLIENTENCODING is for programs that print."""


def read_url(url: str) -> dict[str, str]:
    """Return the parameters that a URL sets, by libpq's names; raises ValueError."""
    if url.partition("://")[0] not in SCHEMES:
        raise ValueError("must begin with postgresql://")
    parts = read_server_url(url)
    ports = [str(port or "") for _, port in parts.hosts]
    found = {
        "user": parts.user,
        "password": parts.password,
        "host": ",".join(host for host, _ in parts.hosts),
        "port": ",".join(ports) if any(ports) else None,
        "dbname": parts.path,
    }
    options = {{"database": "dbname"}.get(name, name): value for name, value in parts.options.items()}
    given = {name: value for name, value in found.items() if value}
    return {**options, **given}


def gather(given: dict[str, str], environment: Mapping[str, str], home: Path | None) -> Parameters:
    """Return the parameters of the URL, of its service's file and of the environment, in this order."""
    values = {name: value for name, value in given.items() if value}
    origins: dict[str, str] = {}
    service = values.get("service") or environment.get("PGSERVICE")
    if service:
        found, path = read_service(service, list(_service_files(values, environment, home)))
        _add(
            values,
            origins,
            {{"database": "dbname"}.get(name, name): found[name] for name in found},
            str(path),
        )
    for name, variable in VARIABLES.items():
        if variable and environment.get(variable):
            _add(values, origins, {name: text_of(environment, variable)}, variable)
    return Parameters(values, origins)


def text_of(environment: Mapping[str, str], variable: str) -> str:
    """Return a variable, empty where it is not set; raises ValueError where its bytes are not UTF-8."""
    text = environment.get(variable, "")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"takes a value from {variable}, which is not UTF-8 text") from None
    return text


def _add(values: dict[str, str], origins: dict[str, str], found: Mapping[str, str], origin: str) -> None:
    for name, value in found.items():
        if value and name not in values:
            values[name], origins[name] = value, origin


def _service_files(
    values: Mapping[str, str], environment: Mapping[str, str], home: Path | None
) -> Iterator[Path]:
    if named := values.get("servicefile") or environment.get("PGSERVICEFILE"):
        yield Path(named)
    elif home:
        yield home / SERVICE_FILE
    if directory := environment.get("PGSYSCONFDIR"):
        yield Path(directory) / "pg_service.conf"


def home_of(environment: Mapping[str, str]) -> Path | None:
    """Return the directory of libpq's files, None for a user that has none."""
    if home := environment.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return None
