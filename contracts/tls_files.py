"""Loads files into a TLS context. A ValueError names the file and its fault."""

import ssl
from pathlib import Path
from typing import Final

SYSTEM: Final = "system"
"""Stands for the authorities that this machine trusts, in place of a file."""


def load_authorities(context: ssl.SSLContext, name: str, place: str) -> None:
    """Have the context trust the authorities in a file, or those of this machine; `name` is the option's."""
    if place == SYSTEM:
        context.load_default_certs()
        return
    check_readable(name, place)
    try:
        context.load_verify_locations(cafile=place)
    except (ssl.SSLError, OSError):
        raise ValueError(f"names {place} as {name}, which holds no certificate in PEM form") from None


def load_revocations(context: ssl.SSLContext, name: str, place: str) -> None:
    """Have the context refuse the certificates that a file revokes."""
    check_readable(name, place)
    try:
        context.load_verify_locations(cafile=place)
    except (ssl.SSLError, OSError):
        raise ValueError(f"names {place} as {name}, which holds no list of revocations in PEM form") from None
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def load_certificate(
    context: ssl.SSLContext, names: tuple[str, str], certificate: str, key: str | None, password: str
) -> None:
    """Have the context show a client's certificate; `names` are the options' of the certificate and of its key."""
    check_readable(names[0], certificate)
    if key:
        check_readable(names[1], key)
    try:
        context.load_cert_chain(certificate, key, password=lambda: password)
    except (ssl.SSLError, OSError):
        raise ValueError(
            f"names {certificate} as {names[0]} and {key or certificate} as {names[1]}, which do not hold a "
            "certificate in PEM form and its key; an encrypted key needs the right sslpassword"
        ) from None


def check_readable(name: str, place: str) -> None:
    """Return if a file can be read."""
    try:
        with Path(place).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"names {place} as {name}: {error.strerror}") from None
