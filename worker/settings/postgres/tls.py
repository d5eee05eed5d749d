"""TLS to PostgreSQL as libpq does it: the modes, and files under `~/.postgresql` where no parameter names one."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.tls_files import SYSTEM, load_authorities, load_certificate, load_revocations
from worker.settings.postgres.parameters import JDBC, Parameters

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PLAIN_TEXT_MODES: Final = ("disable", "allow", "prefer")
"""Modes with which a password may be sent in plain text."""

VERIFYING_MODES: Final = ("verify-ca", "verify-full")
VERSIONS: Final = {
    f"TLSv1{minor}": ssl.TLSVersion[f"TLSv1{minor.replace('.', '_')}"] for minor in (".2", ".3")
}
OLD_VERSIONS: Final = ("TLSv1", "TLSv1.1")
ALPN: Final = ["postgresql"]
"""Required by PostgreSQL 17 and later where TLS begins at once."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The mode, the files that it uses, each with the name to say it by, and the bounds of the version."""

    mode: str
    is_direct: bool = False
    authorities: tuple[str, str] | None = None
    revocations: tuple[str, str] | None = None
    certificate: tuple[str, str] | None = None
    key: tuple[str, str] | None = None
    key_password: str = field(default="", repr=False)
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED

    @property
    def may_be_plain(self) -> bool:
        """Whether a connection in plain text is made where the server has no TLS, or none is asked for."""
        return self.mode in PLAIN_TEXT_MODES

    def context(self) -> ssl.SSLContext | None:
        """Return the context of the files as they are now, None in the mode `disable`.

        Raises ValueError that names the file which is missing or cannot be used.
        """
        if self.mode == "disable":
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.mode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED if self.authorities else ssl.CERT_NONE
        if self.authorities:
            load_authorities(context, *self.authorities)
        if self.revocations:
            load_revocations(context, *self.revocations)
        if self.certificate:
            key_name, key = self.key or ("sslkey", "")
            names = (self.certificate[0], key_name)
            load_certificate(context, names, self.certificate[1], key or None, self.key_password)
        context.minimum_version, context.maximum_version = self.oldest, self.newest
        context.set_alpn_protocols(ALPN)
        return context


def read_tls(parameters: Parameters, home: Path | None) -> Tls:
    """Return the TLS mode and files of the parameters; raises ValueError for a parameter that cannot be honoured."""
    mode = _mode_of(parameters)
    direct = _one_of(parameters, "sslnegotiation", ("postgres", "direct"), "postgres") == "direct"
    if direct and mode in PLAIN_TEXT_MODES:
        raise ValueError(
            f"asks for {parameters.name('sslnegotiation')}=direct, which needs sslmode=verify-full"
        )
    if mode == "disable":
        return Tls(mode)
    verifies = mode not in PLAIN_TEXT_MODES
    certificate = _file(parameters, "sslcert", home, "postgresql.crt")
    return Tls(
        mode=mode,
        is_direct=direct,
        authorities=_authorities_of(parameters, mode, home) if verifies else None,
        revocations=_file(parameters, "sslcrl", home, "root.crl") if verifies else None,
        certificate=certificate,
        key=_file(parameters, "sslkey", home, "postgresql.key") if certificate else None,
        key_password=parameters.get("sslpassword") or "",
        oldest=_version_of(parameters, "ssl_min_protocol_version", ssl.TLSVersion.TLSv1_2),
        newest=_version_of(parameters, "ssl_max_protocol_version", ssl.TLSVersion.MAXIMUM_SUPPORTED),
    )


def _mode_of(parameters: Parameters) -> str:
    default = "verify-full" if parameters.get("sslrootcert") == SYSTEM else "prefer"
    if (short := parameters.get(JDBC)) and short != "true":
        raise ValueError(
            f"asks for an unknown {parameters.name(JDBC)}: write sslmode, one of {', '.join(MODES)}"
        )
    default = "require" if short else default
    mode = _one_of(parameters, "sslmode", MODES, default)
    if parameters.get("sslrootcert") == SYSTEM and mode != "verify-full":
        raise ValueError(
            "asks for sslrootcert=system, which is safe with sslmode=verify-full alone: "
            f"{parameters.name('sslmode')} is {mode}"
        )
    return mode


def _authorities_of(parameters: Parameters, mode: str, home: Path | None) -> tuple[str, str] | None:
    found = _file(parameters, "sslrootcert", home, "root.crt")
    if found is None and mode in VERIFYING_MODES:
        place = (
            f"{_folder(home)}/root.crt" if home else "~/.postgresql/root.crt, for there is no home directory"
        )
        raise ValueError(
            f"asks for {parameters.name('sslmode')}={mode} and names no root certificate, and there is none at "
            f"{place}: add sslrootcert=FILE, the certificate of the server's authority, or sslrootcert=system for "
            "the authorities that this machine trusts"
        )
    return found


def _file(parameters: Parameters, name: str, home: Path | None, default: str) -> tuple[str, str] | None:
    """Return the parameter's name and its file, or the default file where there is one."""
    if place := parameters.get(name):
        return parameters.name(name), place
    try:
        if home and (_folder(home) / default).exists():
            return name, str(_folder(home) / default)
    except OSError:  # a home that may not be entered has no file for us
        pass
    return None


def _folder(home: Path) -> Path:
    return home / ".postgresql"


def _one_of(parameters: Parameters, name: str, values: tuple[str, ...], default: str) -> str:
    value = parameters.get(name) or default
    if value not in values:
        raise ValueError(f"asks for an unknown {parameters.name(name)}; it is one of {', '.join(values)}")
    return value


def _version_of(parameters: Parameters, name: str, default: ssl.TLSVersion) -> ssl.TLSVersion:
    value = parameters.get(name)
    if value is None or (value in OLD_VERSIONS and name.startswith("ssl_min")):
        return default
    if value not in VERSIONS:
        raise ValueError(
            f"asks for an unsupported {parameters.name(name)}; it is one of {', '.join(VERSIONS)}"
        )
    return VERSIONS[value]
