"""libpq's connection parameters: the variable of each, and whether it is honoured, dropped or refused.

Source: https://www.postgresql.org/docs/18/libpq-connect.html and libpq-envars.html.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

IN_THE_URL: Final = "the URL"
JDBC: Final = "ssl"
"""As JDBC writes `sslmode=require`: `ssl=true`, which libpq reads too."""

HONOURED: Final[Mapping[str, str | None]] = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",  # pragma: allowlist secret
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslpassword": None,
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "keepalives": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "keepalives_count": None,
    "tcp_user_timeout": None,
    "application_name": "PGAPPNAME",
    "fallback_application_name": None,
    "options": "PGOPTIONS",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
}
"""The parameters that decide a connection, and libpq's variable of each."""

Accepts = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A parameter that the driver does not know.

    Values that change nothing are `harmless`; another one is `dropped`, and why, or refused with the advice.
    `verified` says that dropping it is safe where `verify-full` tells who the server is.
    """

    variable: str | None
    harmless: Accepts
    advice: str
    dropped: bool = False
    verified: bool = False


def _among(*values: str) -> Accepts:
    return lambda value: value in values


def _never(_value: str) -> bool:
    return False


UNSUPPORTED: Final[Mapping[str, Unsupported]] = {
    "channel_binding": Unsupported(
        "PGCHANNELBINDING",
        _among("disable", "prefer"),
        "the driver has no channel binding; sslmode=verify-full keeps out a server in the middle",
        verified=True,
    ),
    "require_auth": Unsupported(
        "PGREQUIREAUTH",
        _never,
        "the driver logs in as the server asks; sslmode=verify-full keeps out a server in the middle",
        verified=True,
    ),
    "gssencmode": Unsupported(
        "PGGSSENCMODE", _among("disable", "prefer"), "the driver has no GSSAPI encryption; use TLS (sslmode)"
    ),
    "hostaddr": Unsupported("PGHOSTADDR", _never, "name the server in host alone"),
    "sslcrldir": Unsupported("PGSSLCRLDIR", _never, "name one file in sslcrl"),
    "sslcertmode": Unsupported(
        "PGSSLCERTMODE",
        _among("allow"),
        "a client's certificate is sent where there is one and the server asks",
    ),
    "requirepeer": Unsupported(
        "PGREQUIREPEER", _never, "the driver does not check the owner of a socket; use TLS to 127.0.0.1"
    ),
    "replication": Unsupported(None, _among("false", "off", "no", "0"), "a worker does not replicate"),
    "scram_client_key": Unsupported(None, _never, "give a password"),
    "scram_server_key": Unsupported(None, _never, "give a password"),
    "oauth_issuer": Unsupported(None, _never, "give a password or a client's certificate"),
    "oauth_client_id": Unsupported(None, _never, "give a password or a client's certificate"),
    "oauth_client_secret": Unsupported(None, _never, "give a password or a client's certificate"),
    "oauth_scope": Unsupported(None, _never, "give a password or a client's certificate"),
    "min_protocol_version": Unsupported(
        "PGMINPROTOCOLVERSION", _among("3.0"), "the driver speaks version 3.0"
    ),
    "max_protocol_version": Unsupported("PGMAXPROTOCOLVERSION", lambda _: True, ""),
    "requiressl": Unsupported("PGREQUIRESSL", _among("0"), "write sslmode=require, or better verify-full"),
    "sslcompression": Unsupported("PGSSLCOMPRESSION", _among("0"), "TLS is never compressed", dropped=True),
    "sslsni": Unsupported("PGSSLSNI", _among("1"), "the host's name is always sent", dropped=True),
    "sslkeylogfile": Unsupported(None, _never, "the keys of TLS are never logged", dropped=True),
    "gssdelegation": Unsupported(
        "PGGSSDELEGATION", _among("0"), "credentials are never delegated", dropped=True
    ),
    "load_balance_hosts": Unsupported(
        "PGLOADBALANCEHOSTS", _among("disable"), "hosts are tried in the order written", dropped=True
    ),
    "client_encoding": Unsupported(
        "PGCLIENTENCODING",
        lambda value: value.replace("-", "").lower() in ("auto", "utf8", "unicode"),
        "texts are always sent as UTF-8",
        dropped=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values of parameters that are set, and where each that is not in the URL comes from."""

    values: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """Return a value; an empty one counts as not set."""
        return self.values.get(name) or None

    def name(self, name: str) -> str:
        """Return the parameter's name, with its origin where that is not the URL."""
        origin = self.origins.get(name, IN_THE_URL)
        return name if origin == IN_THE_URL else f"{name} (from {origin})"

    def settings(self) -> dict[str, str]:
        """Return the parameters that libpq does not know: the server takes them for settings of the session."""
        known = HONOURED.keys() | UNSUPPORTED.keys() | {JDBC}
        return {name: value for name, value in self.values.items() if name not in known}


def refuse_unsupported(parameters: Parameters) -> tuple[str, ...]:
    """Return a sentence for each parameter that was dropped; raises ValueError for one that cannot be."""
    notices = []
    is_verified = parameters.get("sslmode") == "verify-full"
    for name, rule in UNSUPPORTED.items():
        value = parameters.get(name)
        if value is None or rule.harmless(value):
            continue
        if not (rule.dropped or (rule.verified and is_verified)):
            raise ValueError(f"asks for {parameters.name(name)}, which is not supported: {rule.advice}")
        notices.append(f"{parameters.name(name)} is ignored: {rule.advice}")
    return tuple(notices)
