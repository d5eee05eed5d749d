"""Forgeries that a user with publish rights on a shared broker, but without a key, can make of messages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from contracts.signing import Keyring, Signed, reply_address
from contracts.topology import DELETE_KEY, SIGNATURE_HEADER, WRITE_KEY
from tests.support.programs.watched_worker import event_body, write_body

KEYS: Final = "k2:0f1e2d3c4b5a69788796a5b4c3d2e1f0 k1:f0e1d2c3b4a5968778695a4b3c2d1e0f"
OTHER: Final = Keyring.parse("k2:00112233445566778899aabbccddeeff")
STRANGE: Final = Keyring.parse("k9:0f1e2d3c4b5a69788796a5b4c3d2e1f0")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it is published: body, routing key, properties and headers."""

    body: bytes
    key: str = WRITE_KEY
    message_id: str = "m-1"
    correlation_id: str | None = None
    reply_to: str | None = None
    deadline: int | None = None
    signature: Any = None

    def properties(self) -> dict[str, Any]:
        """Return the AMQP properties of the message."""
        named = {"deadline": self.deadline, SIGNATURE_HEADER: self.signature}
        headers = {name: value for name, value in named.items() if value is not None}
        ids = {name: getattr(self, name) for name in ("message_id", "correlation_id", "reply_to")}
        return {**ids, "headers": headers, "delivery_mode": 2}

    def signed(self, keyring: Keyring, exchange: str, now: float | None = None) -> "Sent":
        """Return the message with its signature by this keyring."""
        content = Signed(
            exchange,
            self.key,
            self.message_id,
            self.correlation_id or "",
            reply_address(self.reply_to),
            "" if self.deadline is None else str(self.deadline),
            self.body,
        )
        return replace(self, signature=keyring.sign(content, now))


Forge = Callable[[Sent, str], Sent]
"""Takes a genuine message and the exchange, and returns a forgery that is made without the key."""

FORGERIES: Final[dict[str, tuple[Forge, str]]] = {
    "the header left out": (lambda sent, _: replace(sent, signature=None), "unsigned"),
    "another secret": (lambda sent, exchange: sent.signed(OTHER, exchange), "wrong"),
    "an unknown key": (lambda sent, exchange: sent.signed(STRANGE, exchange), "unknown_key"),
    "another body": (
        lambda sent, _: replace(sent, body=sent.body.replace(b'"state":{}', b'"state":[]')),
        "wrong",
    ),
    "one more blank": (lambda sent, _: replace(sent, body=sent.body + b" "), "wrong"),
    "another routing key": (lambda sent, _: replace(sent, key=DELETE_KEY), "wrong"),
    "another message id": (lambda sent, _: replace(sent, message_id="m-2"), "wrong"),
    "another correlation id": (lambda sent, _: replace(sent, correlation_id="c-2"), "wrong"),
    "another installation": (
        lambda sent, exchange: sent.signed(Keyring.parse(KEYS), f"x{exchange}"),
        "wrong",
    ),
    "a number for a header": (lambda sent, _: replace(sent, signature=7), "malformed"),
    "bytes for a header": (lambda sent, _: replace(sent, signature=bytearray(b"\xff" * 99)), "malformed"),
    "a list of the header": (lambda sent, _: replace(sent, signature=[sent.signature]), "malformed"),
    "a table for a header": (lambda sent, _: replace(sent, signature={"v1": sent.signature}), "malformed"),
    "a header of 100 kB": (lambda sent, _: replace(sent, signature=sent.signature * 850), "malformed"),
    "characters that are not ASCII": (lambda sent, _: replace(sent, signature="v1;ключ;1;ö"), "malformed"),
}


def write_of(session_id: str, revision: int = 1) -> Sent:
    """Return a write that is not signed yet."""
    return Sent(write_body(session_id, revision))


def delete_of(session_id: str, revision: int) -> Sent:
    """Return a delete that is not signed yet."""
    return Sent(event_body(DELETE_KEY, session_id, {"revision": revision}), DELETE_KEY)
