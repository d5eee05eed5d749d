"""The results of events on real servers: refused rows, conflicts, confirmations."""

import random
from collections.abc import AsyncIterator
from string import ascii_letters
from typing import Any

import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import DELETE_KEY, WRITE_KEY
from tests.support.programs.watched_worker import (
    Installation,
    codes_of,
    event_body,
    install,
    one_batch,
    write_body,
)

INDEX_LIMIT = "54000"  # program_limit_exceeded: the text does not fit into an index


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    async with install(database_url, amqp_url, prefix) as installation:
        yield installation


def unindexable() -> dict[str, object]:
    """Return an encounter that passes every check and that PostgreSQL refuses."""
    return {"difficulty": "".join(random.Random(7).choices(ascii_letters, k=10_000))}


async def confirm(installation: Installation, body: bytes, kind: str = WRITE_KEY) -> dict[str, Any]:
    """Return the confirmation of an event."""
    confirmation: dict[str, Any] = orjson.loads(await installation.caller.send(body, kind))
    return confirmation


async def test_one_row_that_the_database_refuses_costs_its_batch_nothing(installation: Installation) -> None:
    async with one_batch(installation, 101):
        for number in range(50):
            await installation.write(f"sess {number}")
        await installation.caller.publish(write_body("refused", encounter=unindexable()), WRITE_KEY)
        for number in range(50, 100):
            await installation.write(f"sess {number}")
    await installation.settle()
    (letter,) = await installation.dead_letters(1)
    assert codes_of([letter]) == ["refused_by_database"]
    assert INDEX_LIMIT in str(letter.headers["x-message"])
    assert orjson.loads(letter.body)["subject"] == "refused"
    assert await installation.revisions() == {f"sess {number}": 1 for number in range(100)}
    installation.assert_undisturbed()


async def test_a_refused_write_is_told_apart_from_its_sessions_other_events(
    installation: Installation,
) -> None:
    async with one_batch(installation, 3):
        await installation.write("sess", 1)
        await installation.caller.publish(write_body("sess", 2, encounter=unindexable()), WRITE_KEY)
        await installation.caller.publish(write_body("sess", 3, expected=1), WRITE_KEY)
    await installation.settle()
    assert codes_of(await installation.dead_letters(1)) == ["refused_by_database"]
    assert await installation.revisions() == {"sess": 3}
    installation.assert_undisturbed()


async def test_a_conflict_that_nobody_asked_about_is_dead_lettered(installation: Installation) -> None:
    body = write_body("sess", 5, expected=4)
    await installation.caller.publish(body, WRITE_KEY)
    await installation.caller.publish(body, WRITE_KEY, correlation_id="7")
    await installation.settle()
    letters = await installation.dead_letters(2)
    assert codes_of(letters) == ["conflict", "conflict"]
    assert [letter.body for letter in letters] == [body, body]
    assert await installation.revisions() == {}


async def test_a_conflict_is_told_to_whoever_asked_and_not_dead_lettered(installation: Installation) -> None:
    await confirm(installation, write_body("sess", 3))
    body = write_body("sess", 5, expected=4)
    event_id = orjson.loads(body)["id"]
    expected = {"id": event_id, "subject": "sess", "outcome": "conflict", "revision": 3}
    assert await confirm(installation, body) == expected
    assert await confirm(installation, body) == expected
    assert await installation.dead_letters(0) == []
    assert await installation.revisions() == {"sess": 3}


async def test_a_forbidden_reply_address_is_never_answered(installation: Installation) -> None:
    topology, channel = installation.topology, await installation.caller.connection.channel()
    other = await channel.declare_queue(f"{topology.prefix}other", exclusive=True)
    forbidden = ["", other.name, topology.write_queue.name, topology.dead_queue.name, topology.rpc_queue.name]
    before = len(installation.delivered)
    for address in forbidden:
        for body in (write_body("sess"), write_body("sess", 9, expected=4)):
            await installation.caller.publish(body, WRITE_KEY, reply_to=address, correlation_id="7")
    await installation.settle()
    assert codes_of(await installation.dead_letters(5)) == ["conflict"] * 5
    assert await other.get(no_ack=True, fail=False) is None
    assert len(installation.delivered) == before + 2 * len(forbidden) + 1
    assert await installation.revisions() == {"sess": 1}
    installation.assert_undisturbed()


async def test_a_callers_own_reply_queue_is_answered(installation: Installation) -> None:
    async with installation.caller.connection.channel() as channel:
        queue = await channel.declare_queue("session.reply.of-a-test", exclusive=True)
        body = write_body("sess", 4)
        await installation.caller.publish(body, WRITE_KEY, reply_to=queue.name, correlation_id="é7")
        await installation.settle()
        reply = await queue.get(no_ack=True)
        assert isinstance(reply, AbstractIncomingMessage)
        assert reply.correlation_id == "é7"
        assert orjson.loads(reply.body)["outcome"] == "stored"


async def test_every_outcome_is_confirmed_with_its_fields(installation: Installation) -> None:
    write, late = write_body("sess", 5), write_body("sess", 4)
    delete = event_body(DELETE_KEY, "sess", {"revision": 6})
    nothing = event_body(DELETE_KEY, "sess", {"revision": 7})
    sent = (write, late, write, delete, delete, nothing, late, nothing)
    told = [await confirm(installation, body, _kind(body)) for body in sent]
    assert [{k: v for k, v in each.items() if k not in ("id", "subject")} for each in told] == [
        {"outcome": "stored", "revision": 5},
        {"outcome": "superseded", "revision": 5},
        {"outcome": "duplicate", "revision": 5, "first": "stored"},
        {"outcome": "deleted", "revision": None},
        {"outcome": "duplicate", "revision": None, "first": "deleted"},
        {"outcome": "absent", "revision": None},
        {"outcome": "superseded", "revision": None},
        {"outcome": "duplicate", "revision": None, "first": "absent"},
    ]
    assert [each["id"] for each in told] == [orjson.loads(body)["id"] for body in sent]
    assert {each["subject"] for each in told} == {"sess"}


async def test_a_rejected_event_is_told_why_once_it_is_dead_lettered(installation: Installation) -> None:
    refused_row = write_body("sess", encounter=unindexable())
    for body, expected in (
        (b"{", {"id": None, "subject": None, "code": "bad_json"}),
        (b"[]", {"id": None, "subject": None, "code": "not_object"}),
        (b'{"id":"x","subject":7}', {"id": "x", "subject": None, "code": "bad_schema"}),
        (write_body("sess", 0), {"subject": "sess", "code": "bad_revision"}),
        (refused_row, {"subject": "sess", "code": "refused_by_database"}),
    ):
        told = await confirm(installation, body)
        (letter,) = await installation.dead_letters(1)
        assert letter.body == body
        assert set(told) == {"id", "subject", "outcome", "revision", "code", "message"}
        assert told.items() >= {"outcome": "rejected", "revision": None, **expected}.items()
        assert (letter.headers["x-code"], letter.headers["x-message"]) == (told["code"], told["message"])


async def test_a_confirmed_write_is_committed_when_it_is_confirmed(installation: Installation) -> None:
    for revision in range(1, 30):
        await confirm(installation, write_body("sess", revision))
        assert await installation.revisions() == {"sess": revision}


def _kind(body: bytes) -> str:
    return str(orjson.loads(body)["type"])
