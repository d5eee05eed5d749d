"""Nobody changes a session without a key: unsigned events and forged copies are dead-lettered."""

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from contracts.signing import Keyring, SignatureFault, reply_content
from contracts.topology import ERASE_KEY, SIGNATURE_HEADER, WRITE_KEY
from tests.support.broker.caller import Caller
from tests.support.broker.forgeries import FORGERIES, KEYS, OTHER, Sent, delete_of, write_of
from tests.support.broker.raw_amqp import (
    HEADERS,
    UNDECODABLE,
    flagged,
    long_string,
    raw_publisher,
    short_string,
    table,
)
from tests.support.broker.reply_queue import reply_queue
from tests.support.events.bad_events import bad_events
from tests.support.programs.watched_worker import Installation, codes_of, event_body, install, write_body

KEYRING = Keyring.parse(KEYS)


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    """Yield an installation that trusts only its keys; its caller signs."""
    async with install(
        database_url, amqp_url, prefix, signatures="enforce", signing_keys=KEYS
    ) as installation:
        yield installation


async def send(installation: Installation, sent: Sent) -> None:
    """Publish a message as it is, as a sender without keys."""
    outsider = Caller(installation.caller.connection, installation.caller._exchange)
    await outsider.publish(sent.body, sent.key, **sent.properties())


def genuine(installation: Installation, sent: Sent) -> Sent:
    return sent.signed(KEYRING, installation.topology.sessions.name)


async def test_what_is_made_of_a_signed_write_without_its_key_is_dead_lettered(
    installation: Installation,
) -> None:
    exchange = installation.topology.sessions.name
    for number, (forge, _) in enumerate(FORGERIES.values()):
        await send(installation, forge(genuine(installation, write_of(f"forged {number}")), exchange))
        await send(installation, genuine(installation, write_of(f"genuine {number}")))
    await installation.settle()
    letters = await installation.dead_letters(len(FORGERIES))
    assert codes_of(letters) == ["bad_signature"] * len(FORGERIES)
    told = {str(letter.headers["x-message"]).partition(":")[0] for letter in letters}
    assert told == {fault for _, fault in FORGERIES.values()}
    assert await installation.revisions() == {f"genuine {number}": 1 for number in range(len(FORGERIES))}
    installation.assert_undisturbed()
    counted = installation.worker.metrics.read()
    for reason in told:
        expected = sum(fault == reason for _, fault in FORGERIES.values())
        assert counted["session_store_bad_signatures_total", (("reason", reason),)] == expected


async def test_a_signed_event_that_is_bad_keeps_its_own_code(installation: Installation) -> None:
    bad = bad_events()
    for event in bad:
        await installation.caller.publish(
            event.body, WRITE_KEY, message_id=event.name, content_encoding=event.content_encoding
        )
    async with raw_publisher(installation.amqp_url) as raw:
        await installation.settle()
        letters = await installation.dead_letters(len(bad))
        for properties in UNDECODABLE.values():
            await raw.publish(installation.topology.sessions.name, WRITE_KEY, properties, b"{}")
        undecodable = await installation.dead_letters(len(UNDECODABLE))
    assert codes_of(letters) == [event.code for event in bad]
    assert codes_of(undecodable) == ["bad_properties"] * len(UNDECODABLE)


async def test_each_forgery_is_refused_for_what_is_wrong_with_it(installation: Installation) -> None:
    exchange = installation.topology.sessions.name
    for name, (forge, fault) in FORGERIES.items():
        await send(installation, forge(genuine(installation, write_of(name)), exchange))
        (letter,) = await installation.dead_letters(1)
        assert str(letter.headers["x-message"]).partition(":")[0] == fault, name


async def test_a_write_is_not_replayed_as_a_delete_of_its_session(installation: Installation) -> None:
    delete = genuine(installation, delete_of("sess", 9))
    await send(installation, genuine(installation, write_of("sess")))
    await send(installation, replace(delete, signature=genuine(installation, write_of("sess", 9)).signature))
    await installation.dead_letters(1)
    assert await installation.revisions() == {"sess": 1}
    await send(installation, delete)
    await installation.settle()
    assert await installation.revisions() == {}


async def test_a_signed_event_that_is_sent_again_changes_nothing_however_late(
    installation: Installation,
) -> None:
    old = write_of("sess", 1).signed(KEYRING, installation.topology.sessions.name, now=1_700_000_000)
    await send(installation, old)
    await send(installation, genuine(installation, write_of("sess", 2)))
    await send(installation, old)
    await installation.settle()
    assert await installation.revisions() == {"sess": 2}
    assert await installation.dead_letters(0) == []


async def test_a_header_that_is_there_twice_costs_nobody_else_anything(installation: Installation) -> None:
    header = str(genuine(installation, write_of("sess")).signature).encode()
    fields = [short_string(SIGNATURE_HEADER.encode()) + long_string(each) for each in (header, b"v1;k1;1;")]
    async with raw_publisher(installation.amqp_url) as raw:
        exchange = installation.topology.sessions.name
        await raw.publish(exchange, WRITE_KEY, flagged(HEADERS, table(*fields)), write_body("twice"))
        assert codes_of(await installation.dead_letters(1)) == ["bad_signature"]
        await installation.settle()
        assert raw.is_open
    installation.assert_undisturbed()


async def test_who_asks_is_told_rejected_and_the_answer_is_not_signed(installation: Installation) -> None:
    outsider = await Caller.connect(installation.amqp_url, installation.topology)
    told = orjson.loads(await outsider.send(write_body("sess"), WRITE_KEY))
    assert (told["outcome"], told["code"]) == ("rejected", "bad_signature")
    assert (told["id"], told["subject"]) == (None, None)  # nothing of the body was read
    await outsider.connection.close()


async def test_a_genuine_write_is_confirmed_by_a_signed_answer(installation: Installation) -> None:
    async with reply_queue(installation.amqp_url) as replies:
        sent = Sent(write_body("sess"), correlation_id="c-1", reply_to=replies.address)
        await send(installation, genuine(installation, sent))
        answer = await replies.next()
    assert orjson.loads(answer.body)["outcome"] == "stored"
    content = reply_content(installation.topology.sessions.name, "c-1", answer.body)
    assert KEYRING.find_fault(answer.headers[SIGNATURE_HEADER], content) is None
    assert OTHER.find_fault(answer.headers[SIGNATURE_HEADER], content) is SignatureFault.WRONG


async def test_the_refusal_of_a_spoiled_copy_is_not_signed_so_that_it_deceives_nobody(
    installation: Installation,
) -> None:
    async with reply_queue(installation.amqp_url) as replies:
        sent = genuine(installation, Sent(write_body("sess"), correlation_id="c-1", reply_to=replies.address))
        await send(installation, replace(sent, body=sent.body + b" "))
        answer = await replies.next()
    assert orjson.loads(answer.body)["code"] == "bad_signature"
    assert SIGNATURE_HEADER not in answer.headers


async def test_a_signed_erasure_is_done_and_an_unsigned_one_is_not(installation: Installation) -> None:
    erasure = Sent(event_body(ERASE_KEY, "player_1", {"revision": 5}), ERASE_KEY)
    await send(installation, genuine(installation, write_of("sess")))
    await installation.settle()
    await send(installation, erasure)
    assert codes_of(await installation.dead_letters(1)) == ["bad_signature"]
    assert await installation.revisions() == {"sess": 1}
    told = orjson.loads(await installation.caller.send(erasure.body, ERASE_KEY))
    assert (told["outcome"], await installation.revisions()) == ("erased", {})


async def test_warn_counts_what_is_not_signed_and_stores_it(
    database_url: str, amqp_url: str, prefix: str
) -> None:
    async with install(database_url, amqp_url, prefix, signatures="warn", signing_keys=KEYS) as installation:
        await send(installation, write_of("unsigned"))
        await send(installation, genuine(installation, write_of("signed")))
        await installation.settle()
        assert await installation.revisions() == {"unsigned": 1, "signed": 1}
        counted = installation.worker.metrics.read()
    assert counted["session_store_bad_signatures_total", (("reason", "unsigned"),)] == 1
    assert counted["session_store_bad_signatures_total", (("reason", "wrong"),)] == 0
