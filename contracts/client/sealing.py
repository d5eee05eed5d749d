"""How the client signs what it sends, and judges what it is told."""

from typing import Any, Protocol

from contracts.signing import SIGNATURE_HEADER, Keyring, SignatureFault, Signed, reply_address, reply_content


class Sealable(Protocol):
    """A message of the AMQP library, which only the link knows; its headers are a dictionary."""

    message_id: str | None
    correlation_id: str | None
    reply_to: str | None
    body: bytes
    headers: Any


class Seal:
    """The keys of one client, for messages to one exchange; without keys nothing is signed and all is believed."""

    def __init__(self, keyring: Keyring, exchange: str) -> None:
        self._keyring = keyring
        self._exchange = exchange

    def sign(self, message: Sealable, routing_key: str) -> None:
        """Give a message that is about to be published its signature; it has its id already."""
        if not self._keyring:
            return
        content = Signed(
            self._exchange,
            routing_key,
            message.message_id or "",
            message.correlation_id or "",
            reply_address(message.reply_to),
            str(message.headers.get("deadline", "")),
            message.body,
        )
        message.headers[SIGNATURE_HEADER] = self._keyring.sign(content)

    def find_fault(self, answer: Sealable) -> SignatureFault | None:
        """Return why an answer must not be believed."""
        if not self._keyring:
            return None
        content = reply_content(self._exchange, answer.correlation_id or "", answer.body)
        return self._keyring.find_fault(answer.headers.get(SIGNATURE_HEADER), content)
