"""Where the database is and how it is reached: one frozen value, which the driver is given and the doctor judges.

Precedence as in libpq: the URL, the service file, the environment, the password file, defaults.
"""

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker.settings.endpoint import Destination, Endpoint
from worker.settings.postgres.files import PASSWORD_FILE, read_password
from worker.settings.postgres.hosts import endpoints_of
from worker.settings.postgres.parameters import Parameters, refuse_unsupported
from worker.settings.postgres.sources import gather, home_of, read_url
from worker.settings.postgres.tls import Tls, read_tls

TARGETS: Final = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
NUMBERS: Final = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """All that decides a connection; nothing is left to the driver or its environment.

    `settings` are the session's at the server. `numbers` are the limits of the TCP connection under libpq's names:
    `connect_timeout`, `keepalives_idle` and `keepalives_interval` in seconds, `tcp_user_timeout` in milliseconds.
    `notices` name the parameters that are ignored.
    """

    endpoints: tuple[Endpoint, ...]
    user: str
    password: str | None = field(repr=False)
    database: str
    tls: Tls
    target: str
    settings: Mapping[str, str]
    numbers: Mapping[str, int]
    kerberos: tuple[str, str]
    notices: tuple[str, ...]

    @property
    def destination(self) -> Destination:
        """The hosts, the login and whether a connection may be in plain text."""
        return Destination(self.endpoints, self.user, self.database, not self.tls.may_be_plain)


def read_database_address(
    url: str, environment: Mapping[str, str] | None = None, home: Path | None = None
) -> DatabaseAddress:
    """Return the address that a URL, the environment and libpq's files give; files are read now.

    Raises ValueError that names the parameter or file, and has none of the URL's text.
    """
    environment = os.environ if environment is None else environment
    home = home or home_of(environment)
    parameters = gather(read_url(url), environment, home)
    tls = read_tls(parameters, home)
    user, endpoints = _user_of(parameters), endpoints_of(parameters)
    database = parameters.get("dbname") or user
    return DatabaseAddress(
        endpoints=endpoints,
        user=user,
        password=parameters.get("password") or _password_of(parameters, home, endpoints, database, user),
        database=database,
        tls=tls,
        target=_target_of(parameters),
        settings=_settings_of(parameters),
        numbers={name: number for name in NUMBERS if (number := _number_of(parameters, name)) is not None},
        kerberos=(parameters.get("krbsrvname") or "postgres", parameters.get("gsslib") or "gssapi"),
        notices=refuse_unsupported(parameters),
    )


def _user_of(parameters: Parameters) -> str:
    if user := parameters.get("user"):
        return user
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ValueError("names no user, and the user that runs this program has no name") from None


def _password_of(
    parameters: Parameters, home: Path | None, endpoints: tuple[Endpoint, ...], database: str, user: str
) -> str | None:
    """Return the password in the password file: the driver takes one for all hosts."""
    named = parameters.get("passfile")
    if not (path := Path(named) if named else home and home / PASSWORD_FILE):
        return None
    found = {
        read_password(path, is_named=bool(named), host=to.host, port=to.port, database=database, user=user)
        for to in endpoints
    }
    if len(found) > 1:
        raise ValueError(
            f"names hosts for which {path} has different passwords, and one is used for all of them"
        )
    return found.pop()


def _target_of(parameters: Parameters) -> str:
    target = parameters.get("target_session_attrs") or "any"
    if target not in TARGETS:
        raise ValueError(
            f"asks for an unknown {parameters.name('target_session_attrs')}; it is one of {', '.join(TARGETS)}"
        )
    return target


def _settings_of(parameters: Parameters) -> dict[str, str]:
    name = parameters.get("application_name") or parameters.get("fallback_application_name")
    options = parameters.get("options")
    return {
        **({"application_name": name} if name else {}),
        **({"options": options} if options else {}),
        **parameters.settings(),
    }


def _number_of(parameters: Parameters, name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise ValueError(f"has a {parameters.name(name)} that is not a whole number")
    return int(value)
