"""Why TLS failed, in a fixed set of texts: they are labels of metrics too."""

import ssl
from typing import Final

_REASONS: Final = {
    10: "the server's certificate has expired",
    18: "the server's certificate is of an unknown authority",
    19: "the server's certificate is of an unknown authority",
    20: "the server's certificate is of an unknown authority",
    21: "the server's certificate is of an unknown authority",
    62: "the server's certificate is for another host",
    64: "the server's certificate is for another host",
}
"""By OpenSSL's X509_V_ERR_… (x509_vfy.h)."""


def reason_of_tls(error: ssl.SSLError) -> str:
    """Return why the server's certificate was refused, or that TLS failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _REASONS.get(error.verify_code, "the server's certificate is refused")
    return "TLS failed"
