"""Cursors: where the page before ended, opaque and signed (contract: Request, options)."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

import orjson

SIGNATURE_BYTES: Final = 16


class CursorRefused(ValueError):
    """The cursor was not made here, or not for this filter and order."""


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key and the id of the last session of a page; a None key is one without that time.

    The key is PostgreSQL's text of a time, which may be one that Python has no datetime for.
    """

    key: str | None
    session_id: str


class CursorCodec:
    """Writes and reads cursors; replicas with the same secret read each other's."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"session-store cursor " + secret.encode()).digest()

    def write(self, position: Position, query: bytes) -> str:
        """Return a cursor that is good for `query` (the bytes of its filter and order) alone."""
        payload = orjson.dumps([position.key, position.session_id])
        return _encode(self._sign(payload, query) + payload)

    def read(self, cursor: str, query: bytes) -> Position:
        """Return the position in a cursor; raises CursorRefused for one that was tampered with."""
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (Base64Error, ValueError) as error:
            raise CursorRefused("is not a cursor") from error
        if _encode(raw) != cursor:  # the decoder passes over characters it does not know
            raise CursorRefused("is not a cursor")
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(payload, query)):
            raise CursorRefused("was not given out for this filter and order")
        key, session_id = orjson.loads(payload)
        return Position(key, session_id)

    def _sign(self, payload: bytes, query: bytes) -> bytes:
        return hmac.digest(self._key, query + b"\0" + payload, "sha256")[:SIGNATURE_BYTES]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
