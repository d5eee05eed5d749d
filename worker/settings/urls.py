"""Fills placeholders into a URL, masks its passwords, and builds one from libpq's variables."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

LIBPQ: Final = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
_IN_LOGIN: Final = re.compile(r"(://[^:@/?]*:).*@")
_IN_QUERY: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*")
DATABASE_URL: Final = re.compile(
    r"(?P<scheme>\w+)://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
"""The parts of a PostgreSQL URL. From 3.13 on Python's own parser refuses a host in brackets behind another host."""

_PLACEHOLDER: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand_placeholders(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` replaced by the variable, quoted for a URL.

    Raises ValueError that names a variable that is not set.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ValueError(f"names ${{{match[1]}}}, which is not set")
        return quote(environment[match[1]], safe="")

    return _PLACEHOLDER.sub(value_of, text)


def move_hosts_to_query(url: str) -> str:
    """Return a URL that the driver reads on every Python: hosts in brackets behind others become an option."""
    found = DATABASE_URL.fullmatch(url)
    if found is None or "[" not in found["hosts"].lstrip("["):
        return url
    login = "" if found["login"] is None else f"{found['login']}@"
    options = "&".join(filter(None, (f"host={found['hosts']}", found["query"])))
    return f"{found['scheme']}://{login}{found['path'] or '/'}?{options}"


def mask_passwords(url: str) -> str:
    """Return a URL with `***` in place of its passwords."""
    return _IN_QUERY.sub(r"\1***", _IN_LOGIN.sub(r"\1***@", url))


def url_from_libpq(environment: Mapping[str, str]) -> str | None:
    """Return the URL from libpq's variables, with libpq's defaults for those not set; None when none is set."""
    if not any(environment.get(name) for name in LIBPQ):
        return None
    host, port, database, user, password = (quote(environment.get(name, ""), safe="") for name in LIBPQ)
    login = (user or "postgres") + (f":{password}" if password else "")
    return f"postgresql://{login}@{host or 'localhost'}:{port or '5432'}/{database or user or 'postgres'}"
