"""A worker verifies the signature of a message before it parses the body."""

from collections import Counter
from typing import Any

import orjson
import pytest
import structlog

from contracts.outcomes import DeadLetterCode
from contracts.signing import Keyring, SignatureFault
from contracts.topology import SIGNATURE_HEADER
from tests.support.events.deliveries import deliver, write_event
from worker.broker.delivery import Delivery, Properties
from worker.broker.signatures import Mode, SignaturePolicy, SignatureVerifier, content_of
from worker.ingest.decode import decode
from worker.ingest.document import InvalidEvent
from worker.settings.keyring import FixedKeyring

KEYS = Keyring.parse(f"k1:{'0123456789abcdef' * 2}")
LARGEST = 4096
BODY = orjson.dumps(write_event())


def guard(mode: Mode = "enforce", counted: Counter[str] | None = None, keys: Any = None) -> SignatureVerifier:
    counts = Counter[str]() if counted is None else counted
    terms = SignaturePolicy(mode, "sessions", 60)
    return SignatureVerifier(terms, keys or FixedKeyring(KEYS), lambda fault: counts.update([fault]))


def signed(body: bytes = BODY, key: str = "session.write", **given: Any) -> Properties:
    """Return the properties of a correctly signed message."""
    properties = Properties(**{"message_id": "m-1", **given})
    header = KEYS.sign(content_of("sessions", key, properties, body))
    properties.headers = {**(properties.headers or {}), SIGNATURE_HEADER: header}
    return properties


def code_of(delivery: Delivery, properties: Properties | None) -> DeadLetterCode | None:
    try:
        decode(delivery, properties, LARGEST, guard().refuse_event)
    except InvalidEvent as refused:
        return refused.code
    return None


def test_a_signed_event_is_stored_and_an_unsigned_one_refused() -> None:
    assert code_of(deliver(BODY), signed()) is None
    assert code_of(deliver(BODY), Properties(message_id="m-1")) is DeadLetterCode.BAD_SIGNATURE


def test_size_and_properties_are_judged_before_the_signature_and_the_body_after_it() -> None:
    large, broken = b"{" * (LARGEST + 1), b"{"
    assert code_of(deliver(large), Properties()) is DeadLetterCode.TOO_LARGE
    assert code_of(deliver(BODY), None) is DeadLetterCode.BAD_PROPERTIES
    assert code_of(deliver(broken), Properties()) is DeadLetterCode.BAD_SIGNATURE
    assert code_of(deliver(broken), signed(broken)) is DeadLetterCode.BAD_JSON


def test_what_was_refused_for_its_signature_was_not_parsed() -> None:
    with pytest.raises(InvalidEvent) as refused:
        decode(deliver(BODY), Properties(), LARGEST, guard().refuse_event)
    assert refused.value.document == {}


def test_a_signature_without_a_message_id_would_not_outlive_the_dead_letter_queue() -> None:
    properties = signed(message_id=None)
    assert guard().refuse_event(deliver(BODY), properties) is SignatureFault.MALFORMED


@pytest.mark.parametrize(
    "changed", [{"message_id": "m-2"}, {"correlation_id": "c-2"}, {"reply_to": "session.reply.b"}]
)
def test_a_property_that_is_signed_cannot_be_changed(changed: dict[str, str]) -> None:
    properties = signed(correlation_id="c-1", reply_to="session.reply.a")
    for name, value in changed.items():
        setattr(properties, name, value)
    assert guard().refuse_event(deliver(BODY), properties) is SignatureFault.WRONG


def test_the_deadline_of_a_request_cannot_be_changed_nor_taken_away() -> None:
    for deadline in (1_762_511_495_124, "1762511495123", None):
        properties = signed(headers={"deadline": 1_762_511_495_123})
        assert properties.headers is not None
        assert guard().refuse_request(deliver(BODY), properties) is None
        properties.headers = {**properties.headers, "deadline": deadline}
        assert guard().refuse_request(deliver(BODY), properties) is SignatureFault.WRONG


def test_a_write_is_no_delete_and_no_message_of_another_installation() -> None:
    assert guard().refuse_event(deliver(BODY, "session.delete"), signed()) is SignatureFault.WRONG
    elsewhere = SignatureVerifier(
        SignaturePolicy("enforce", "eu.sessions", 60), FixedKeyring(KEYS), lambda _: None
    )
    assert elsewhere.refuse_event(deliver(BODY), signed()) is SignatureFault.WRONG


def test_an_old_event_counts_and_an_old_request_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("contracts.signing.time", lambda: 1_000_000.0)
        event, request = signed(), signed(key="session.rpc")
    assert guard().refuse_event(deliver(BODY), event) is None
    assert guard().refuse_request(deliver(BODY, "session.rpc"), request) is SignatureFault.EXPIRED


@pytest.mark.parametrize(("mode", "counted"), [("off", 0), ("warn", 1), ("enforce", 1)])
def test_warn_counts_and_serves_and_off_does_not_look(mode: Mode, counted: int) -> None:
    counts = Counter[str]()
    fault = guard(mode, counts).refuse_event(deliver(BODY), Properties())
    assert (fault is SignatureFault.UNSIGNED) == (mode == "enforce")
    assert counts == Counter({"unsigned": counted} if counted else {})


def test_a_storm_of_bad_signatures_is_counted_whole_and_logged_once() -> None:
    counts = Counter[str]()
    judging = guard("warn", counts)
    with structlog.testing.capture_logs() as lines:
        for _ in range(1000):
            judging.refuse_event(deliver(BODY), Properties())
    assert counts == {"unsigned": 1000}
    assert [(line["event"], line["fault"], line["served"]) for line in lines] == [
        ("signature.bad", "unsigned", True)
    ]


def test_an_unknown_key_has_the_keys_read_anew() -> None:
    class Rotated(FixedKeyring):
        def renew(self) -> Keyring:
            return KEYS

    stale = Keyring.parse(f"k0:{'x' * 32}")
    assert guard(keys=Rotated(stale)).refuse_event(deliver(BODY), signed()) is None
    assert guard(keys=FixedKeyring(stale)).refuse_event(deliver(BODY), signed()) is SignatureFault.UNKNOWN_KEY
