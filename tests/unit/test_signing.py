"""The rule of signing: the vectors for both languages, and properties that no vector can show."""

import hmac
import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.signing import KeyedHash, Keyring, SignatureFault, Signed, reply_address, signed_bytes

SECRET: Final = "s3cr3t" * 8
KEYS: Final = Keyring.parse(f"k1:{SECRET}")
VECTORS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "contracts" / "signatures.json").read_text(encoding="utf-8")
)
CONTENT: Final = Signed("sessions", "session.rpc", "m-1", "c-1", "session.reply.a", "1762511405123", b"{}")
NOW: Final = 1_762_511_400.0

contents = st.builds(Signed, *[st.text(alphabet="1:,a\n", max_size=6)] * 6, body=st.binary(max_size=6))


def content_of(vector: dict[str, Any]) -> Signed:
    names = ("exchange", "routingKey", "messageId", "correlationId", "replyTo", "deadline")
    exchange, key, message_id, correlation_id, address, deadline = (vector[name] for name in names)
    body = vector["body"].encode()
    return Signed(exchange, key, message_id, correlation_id, reply_address(address), deadline, body)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_vector_is_judged_as_the_table_says(vector: dict[str, Any]) -> None:
    keyring, content = Keyring.parse(vector["keys"]), content_of(vector)
    assert keyring.find_fault(vector["header"], content) == vector["fault"]
    if vector["fault"] is None and f";{keyring.ids[0]};" in vector["header"]:
        assert keyring.sign(content, vector["time"] / 1000) == vector["header"]


@given(contents, contents)
def test_two_messages_never_have_the_same_signed_bytes(one: Signed, other: Signed) -> None:
    assert (signed_bytes("k", "1", one) == signed_bytes("k", "1", other)) == (one == other)


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200), st.binary(max_size=5000))
def test_the_keyed_hash_is_hmac_of_the_standard_library(secret: bytes, head: bytes, body: bytes) -> None:
    keyed = KeyedHash(secret)
    for _ in range(2):  # a digest must not affect the next one
        assert keyed.digest(head, body) == hmac.digest(secret, head + body + b",", "sha256")


@given(st.text(max_size=9), st.binary(max_size=9))
def test_lengths_are_counted_in_bytes_whatever_the_characters(text: str, body: bytes) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    parts = [b"v1", b"k", b"1", *[text.encode()] * 6, body]
    expected = b"".join(b"%d:%b," % (len(part), part) for part in parts)
    assert signed_bytes("k", "1", Signed(text, text, text, text, text, text, body)) == expected


@pytest.mark.parametrize(
    "header", [7, 1.5, True, b"v1", [], {}, "", "ä", "v1;k1;1;" + "0" * 2**20, ";" * 100_000], ids=repr
)
def test_a_header_that_is_no_signature_is_malformed(header: object) -> None:
    assert KEYS.find_fault(header, CONTENT) is SignatureFault.MALFORMED


def test_no_header_is_unsigned() -> None:
    assert KEYS.find_fault(None, CONTENT) is SignatureFault.UNSIGNED


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (NOW, None),
        (NOW + 60, None),
        (NOW - 60, None),
        (NOW + 61, SignatureFault.EXPIRED),
        (NOW - 61, SignatureFault.EXPIRED),
    ],
)
def test_a_request_counts_within_the_window_on_both_sides(now: float, fault: SignatureFault | None) -> None:
    header = KEYS.sign(CONTENT, NOW)
    assert KEYS.find_fault(header, CONTENT, window=60, now=now) is fault
    assert KEYS.find_fault(header, CONTENT) is None


def test_what_is_wrong_is_not_called_expired() -> None:
    header = KEYS.sign(CONTENT, NOW - 1000)
    forged = header[:-1] + ("0" if header[-1] != "0" else "1")
    assert KEYS.find_fault(forged, CONTENT, window=60, now=NOW) is SignatureFault.WRONG


def test_the_comparison_takes_the_same_time_wherever_the_codes_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    header = KEYS.sign(CONTENT, NOW)
    monkeypatch.setattr("contracts.signing.compare_digest", compare)
    assert KEYS.find_fault(header, CONTENT) is SignatureFault.WRONG  # no other comparison decides
    assert compared == [(bytes.fromhex(header[-64:]),) * 2]


def test_the_first_key_signs_and_all_verify() -> None:
    old, new = Keyring.parse(f"k1:{SECRET}"), Keyring.parse(f"k2:{SECRET[::-1]},\n k1:{SECRET}\n")
    assert new.sign(CONTENT).startswith("v1;k2;")
    assert new.find_fault(old.sign(CONTENT), CONTENT) is None
    assert old.find_fault(new.sign(CONTENT), CONTENT) is SignatureFault.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SECRET, "key 1 must be id:secret"),
        (f"k1:{SECRET} :{SECRET}", "key 2 must be id:secret"),
        (f"k/1:{SECRET}", "key 1 must be id:secret"),
        (f"k1:{SECRET[:31]}", "the secret of key k1 must have at least 32"),
        (f"k1:{SECRET}ü", "the secret of key k1 must have at least 32"),
        (f"k1:{SECRET} k1:{SECRET}x", "key k1 is there twice"),
    ],
)
def test_a_wrong_key_is_named_without_its_secret(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        Keyring.parse(text)
    assert "s3cr3t" not in str(refused.value)


def test_a_keyring_never_shows_a_secret() -> None:
    assert repr(KEYS) == "Keyring(k1)"
    assert "s3cr3t" not in f"{KEYS} {KEYS!r} {[KEYS]}"


@pytest.mark.parametrize(
    ("address", "signed"),
    [
        (None, ""),
        ("session.reply.a", "session.reply.a"),
        ("amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to"),
        ("amq.rabbitmq.reply-to.g1h2", "amq.rabbitmq.reply-to"),
    ],
)
def test_an_address_that_the_broker_writes_is_signed_as_what_the_caller_wrote(
    address: str | None, signed: str
) -> None:
    assert reply_address(address) == signed
