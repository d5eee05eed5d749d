"""The signatures of one client's messages: it signs messages before they are published, and verifies replies."""

from typing import Any, Protocol

from ..signing import Keyring, SignatureFault, Signed, reply_address, reply_content
from ..topology import DEADLINE_HEADER, SIGNATURE_HEADER


class Signable(Protocol):
    """A message of the AMQP library; its headers are a dictionary."""

    message_id: str | None
    correlation_id: str | None
    reply_to: str | None
    body: bytes
    headers: Any


class MessageSigner:
    """Signs and verifies messages of one exchange; without keys it signs nothing and accepts every reply."""

    def __init__(self, keyring: Keyring, exchange: str) -> None:
        self._keyring = keyring
        self._exchange = exchange

    def sign(self, message: Signable, routing_key: str) -> None:
        """Add the signature header to a message that is about to be published; its id is set already."""
        if not self._keyring:
            return
        content = Signed(
            self._exchange,
            routing_key,
            message.message_id or "",
            message.correlation_id or "",
            reply_address(message.reply_to),
            str(message.headers.get(DEADLINE_HEADER, "")),
            message.body,
        )
        message.headers[SIGNATURE_HEADER] = self._keyring.sign(content)

    def find_fault(self, reply: Signable) -> SignatureFault | None:
        """Return the fault of a reply's signature, or None."""
        if not self._keyring:
            return None
        content = reply_content(self._exchange, reply.correlation_id or "", reply.body)
        return self._keyring.find_fault(reply.headers.get(SIGNATURE_HEADER), content)
