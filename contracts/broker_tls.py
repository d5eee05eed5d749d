"""TLS to the broker, from the options of its URL by aiormq's names and by RabbitMQ's.

Source of the options: aiormq, and https://www.rabbitmq.com/docs/uri-query-parameters for those of RabbitMQ.
"""

import ssl
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

from .tls_files import load_authorities, load_certificate

TLS_ALIASES: Final = {"cacertfile": "cafile"}
TLS_OPTIONS: Final = ("cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl", "verify")
TRUE: Final = ("1", "true", "yes", "on")
FALSE: Final = ("0", "false", "no", "off")
VERIFY: Final = ("verify_peer", "verify_none")


def verifies(options: Mapping[str, str]) -> bool:
    """Return whether the broker's certificate is compared; raises ValueError for an unknown value.

    aiormq takes every value of `no_verify_ssl` but 0 for yes.
    """
    skipped = one_of("no_verify_ssl", options.get("no_verify_ssl", "0").lower(), (*TRUE, *FALSE)) in TRUE
    return not skipped and one_of("verify", options.get("verify", "verify_peer"), VERIFY) == "verify_peer"


def one_of(name: str, value: str, values: tuple[str, ...]) -> str:
    """Return an option's value; raises ValueError where it is none of `values`."""
    if value not in values:
        raise ValueError(f"asks for an unknown {name}; it is one of {', '.join(values)}")
    return value


def open_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context of a connection; raises ValueError that names a file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verifies(options):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _trust(context, options)
    if certificate := options.get("certfile"):
        load_certificate(context, ("certfile", "keyfile"), certificate, options.get("keyfile"), "")
    return context


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
