"""Verifies the signature of each message before its body is parsed (contracts/signing.py)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Literal, Protocol

import structlog

from contracts.signing import Keyring, SignatureFault, Signed, reply_address, reply_content
from contracts.topology import DEADLINE_HEADER, SIGNATURE_HEADER
from worker.broker.changes import ChangeMessage, sign_changes
from worker.broker.delivery import Delivery, Properties

log = structlog.get_logger()

Mode = Literal["off", "warn", "enforce"]
MOVED_ADDRESS: Final = "x-original-reply_to"  # where a replayed dead letter keeps it
LOG_SECONDS: Final = 10.0
FAULT_MESSAGES: Final[Mapping[SignatureFault, str]] = {
    SignatureFault.UNSIGNED: f"the message has no header {SIGNATURE_HEADER}; sign it",
    SignatureFault.MALFORMED: f"{SIGNATURE_HEADER} must be v1;<key id>;<milliseconds>;<64 hex digits>,"
    " and message_id must be set",
    SignatureFault.UNKNOWN_KEY: "the worker has no key of the id that signed the message",
    SignatureFault.WRONG: "the signature is not that of this message under that key",
    SignatureFault.EXPIRED: "the request was signed too long ago, or by a clock ahead of the worker's",
}


class Keys(Protocol):
    """Returns the keys that are in force now."""

    def __call__(self) -> Keyring:
        """Return the keys."""

    def renew(self) -> Keyring:
        """Return the keys, read again unless that was done a moment ago."""


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The consequence of a bad signature, the exchange that messages are for, and how old a request may be."""

    mode: Mode
    exchange: str
    window: float


class SignatureVerifier:
    """Verifies and makes signatures; each fault is counted, and logged once in ten seconds."""

    def __init__(self, policy: SignaturePolicy, keys: Keys, count: Callable[[str], None]) -> None:
        self._policy = policy
        self._keys = keys
        self._count = count
        self._logged: dict[SignatureFault, float] = {}

    def refuse_event(self, delivery: Delivery, properties: Properties) -> SignatureFault | None:
        """Return why an event must not be stored; its age does not matter, the order law judges repeats."""
        return self._refuse(delivery, properties, None)

    def refuse_request(self, delivery: Delivery, properties: Properties) -> SignatureFault | None:
        """Return why a request must not be answered."""
        return self._refuse(delivery, properties, self._policy.window)

    def sign_reply(self, correlation_id: str, body: bytes) -> dict[str, str]:
        """Return the header that a reply takes; none without keys."""
        keyring = self._keys()
        if not keyring:
            return {}
        return {SIGNATURE_HEADER: keyring.sign(reply_content(self._policy.exchange, correlation_id, body))}

    def sign_changes(self, exchange: str, messages: Sequence[ChangeMessage]) -> Sequence[ChangeMessage]:
        """Return messages of the changes feed signed; unchanged without keys."""
        return sign_changes(messages, exchange, self._keys())

    def _refuse(
        self, delivery: Delivery, properties: Properties, window: float | None
    ) -> SignatureFault | None:
        if self._policy.mode == "off":
            return None
        fault = self._find_fault(delivery, properties, window)
        if fault is None:
            return None
        self._count(fault.value)
        self._log(fault, delivery.queue)
        return fault if self._policy.mode == "enforce" else None

    def _find_fault(
        self, delivery: Delivery, properties: Properties, window: float | None
    ) -> SignatureFault | None:
        header = (properties.headers or {}).get(SIGNATURE_HEADER)
        if header is not None and not properties.message_id:
            return SignatureFault.MALFORMED
        content = content_of(self._policy.exchange, delivery.routing_key, properties, delivery.body)
        fault = self._keys().find_fault(header, content, window)
        if fault is SignatureFault.UNKNOWN_KEY:
            fault = self._keys.renew().find_fault(header, content, window)
        return fault

    def _log(self, fault: SignatureFault, queue: str) -> None:
        now = monotonic()
        if now - self._logged.get(fault, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged[fault] = now
            served = self._policy.mode == "warn"
            log.warning(
                "signature.bad", fault=fault.value, queue=queue, reason=FAULT_MESSAGES[fault], served=served
            )


def content_of(exchange: str, routing_key: str, properties: Properties, body: bytes) -> Signed:
    """Return the content that the signature of a message must cover."""
    headers = properties.headers or {}
    deadline, moved = headers.get(DEADLINE_HEADER), headers.get(MOVED_ADDRESS)
    address = properties.reply_to or (moved if isinstance(moved, str) else None)
    return Signed(
        exchange,
        routing_key,
        properties.message_id or "",
        properties.correlation_id or "",
        reply_address(address),
        str(deadline) if type(deadline) is int else "",
        body,
    )
