"""Signed messages (docs/engine.md, *Signed messages*): worker and clients sign and verify by this rule.

A signature is HMAC-SHA256 over netstrings (https://cr.yp.to/proto/netstrings.txt): each part is its length in
bytes, a colon, the part and a comma, so that no byte can move from one part into another.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from time import time
from typing import Final, NamedTuple, Self

from .topology import DIRECT_REPLY, REPLY_KEY

VERSION: Final = "v1"
LEAST_SECRET: Final = 32
BLOCK: Final = 64  # bytes that SHA-256 takes at a time

_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))
_HEADER: Final = re.compile(r"v1;([A-Za-z0-9_.-]{1,64});([0-9]{1,15});([0-9a-f]{64})")
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECRET: Final = re.compile(r"[!-~]+")
_BETWEEN: Final = re.compile(r"[\s,]+")


class SignatureFault(StrEnum):
    """The fault of a signature, in one word."""

    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    WRONG = "wrong"
    EXPIRED = "expired"


class Signed(NamedTuple):
    """The content that a signature covers besides its version, key id and time; an absent property is empty.

    `exchange` is the one published to, `deadline` the digits of the header of that name. A reply has REPLY_KEY as
    its routing key and the exchange of the request, and neither message id nor address. A message of the changes
    feed has its exchange and routing key alone.
    """

    exchange: str
    routing_key: str
    message_id: str
    correlation_id: str
    reply_to: str
    deadline: str
    body: bytes


class KeyedHash:
    """HMAC-SHA256 under one secret (RFC 2104); the part that depends on the key alone is computed once.

    The library's `hmac` took twice as long for an event whose body is not in the processor's cache, an eighth of
    its decoding. A test compares the two.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        block = (secret if len(secret) <= BLOCK else sha256(secret).digest()).ljust(BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def digest(self, head: bytes, body: bytes) -> bytes:
        """Return the HMAC of the head, the body and the comma that ends its netstring."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(head)
        inner.update(body)
        inner.update(b",")
        outer.update(inner.digest())
        return outer.digest()


class Keyring:
    """Keys by their ids: the first signs, all of them verify. It never shows a secret, and keeps none as text."""

    __slots__ = ("_keyed", "varieties")

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._keyed = {key_id: KeyedHash(secret) for key_id, secret in secrets.items()}
        self.varieties = {key_id: len(set(secret)) for key_id, secret in secrets.items()}
        """How many different characters each secret has, by key id: few are easily guessed."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the keys of a text like `k2:secret k1:secret`, separated by blanks, commas or newlines.

        Raises ValueError, which names the key and its fault, without any secret.
        """
        secrets: dict[str, bytes] = {}
        for place, pair in enumerate(filter(None, _BETWEEN.split(text)), start=1):
            key_id, colon, secret = pair.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise ValueError(
                    f"key {place} must be id:secret, the id of 1 to 64 letters, digits, dots, _ and -"
                )
            if not _SECRET.fullmatch(secret) or len(secret) < LEAST_SECRET:
                raise ValueError(
                    f"the secret of key {key_id} must have at least {LEAST_SECRET} visible characters of ASCII"
                    ", such as openssl rand -hex 32 makes"
                )
            if key_id in secrets:
                raise ValueError(f"key {key_id} is there twice")
            secrets[key_id] = secret.encode()
        return cls(secrets)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids; the first is that of the key which signs."""
        return tuple(self._keyed)

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._keyed)

    def __repr__(self) -> str:
        """Return the ids."""
        return f"Keyring({', '.join(self._keyed)})"

    def sign(self, content: Signed, now: float | None = None) -> str:
        """Return the header's value; `now` is in seconds since the epoch. There must be a key."""
        key_id, keyed = next(iter(self._keyed.items()))
        moment = str(int((time() if now is None else now) * 1000))
        code = keyed.digest(_head(key_id, moment, content), content.body)
        return f"{VERSION};{key_id};{moment};{code.hex()}"

    def find_fault(
        self, header: object, content: Signed, window: float | None = None, now: float | None = None
    ) -> SignatureFault | None:
        """Return the fault of a header's value, or None.

        With a `window` its time must be within so many seconds of `now`. Only genuine signatures are EXPIRED. The
        codes are compared in constant time.
        """
        if header is None:
            return SignatureFault.UNSIGNED
        found = _HEADER.fullmatch(header) if isinstance(header, str) else None
        if found is None:
            return SignatureFault.MALFORMED
        key_id, moment, code = found.groups()
        keyed = self._keyed.get(key_id)
        if keyed is None:
            return SignatureFault.UNKNOWN_KEY
        expected = keyed.digest(_head(key_id, moment, content), content.body)
        if not compare_digest(expected, bytes.fromhex(code)):
            return SignatureFault.WRONG
        if window is not None and abs((time() if now is None else now) - int(moment) / 1000) > window:
            return SignatureFault.EXPIRED
        return None


def signed_bytes(key_id: str, moment: str, content: Signed) -> bytes:
    """Return the bytes that the HMAC covers."""
    return b"%b%b," % (_head(key_id, moment, content), content.body)


def _head(key_id: str, moment: str, content: Signed) -> bytes:
    """Return all netstrings up to the bytes of the body."""
    exchange, key, message_id, correlation_id, address, deadline, body = content
    asked = "0:,0:,0:,"  # an event has none of the three
    if correlation_id or address or deadline:
        asked = f"{len(correlation_id)}:{correlation_id},{len(address)}:{address},{len(deadline)}:{deadline},"
    head = (
        f"2:v1,{len(key_id)}:{key_id},{len(moment)}:{moment},{len(exchange)}:{exchange},{len(key)}:{key},"
        f"{len(message_id)}:{message_id},{asked}{len(body)}:"
    )
    if head.isascii():  # characters are bytes then; this is done for each event
        return head.encode()
    parts = [text.encode() for text in (VERSION, key_id, moment, *content[:-1])]
    return b"".join(b"%d:%b," % (len(part), part) for part in parts) + b"%d:" % len(body)


def reply_content(exchange: str, correlation_id: str, body: bytes) -> Signed:
    """Return the content that the signature of a reply covers."""
    return Signed(exchange, REPLY_KEY, "", correlation_id, "", "", body)


def change_content(exchange: str, routing_key: str, body: bytes) -> Signed:
    """Return the content that the signature of a message of the changes feed covers."""
    return Signed(exchange, routing_key, "", "", "", "", body)


def reply_address(reply_to: str | None) -> str:
    """Return a `reply_to` as it is signed: the broker replaces a direct one in transit, so all of them are one."""
    if reply_to and reply_to.startswith(DIRECT_REPLY):
        return DIRECT_REPLY
    return reply_to or ""
