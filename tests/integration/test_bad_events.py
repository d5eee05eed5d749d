"""A bad event becomes a dead letter with its code, and its neighbours are stored."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import WRITE_KEY
from tests.support.broker.raw_amqp import UNDECODABLE, copied_to, raw_publisher
from tests.support.events.bad_events import BadEvent, bad_events
from tests.support.programs.watched_worker import Installation, codes_of, install


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    async with install(database_url, amqp_url, prefix) as installation:
        yield installation


async def test_every_bad_event_is_dead_lettered_and_its_neighbours_are_stored(
    installation: Installation,
) -> None:
    bad = bad_events()
    for number, event in enumerate(bad):
        await publish(installation, event)
        await installation.write(f"sess {number}")
    await installation.settle()
    letters = await installation.dead_letters(len(bad))
    assert [(letter.message_id, code) for letter, code in zip(letters, codes_of(letters), strict=True)] == [
        (event.name, event.code) for event in bad
    ]
    assert await installation.revisions() == {f"sess {number}": 1 for number in range(len(bad))}
    installation.assert_undisturbed()
    for letter, event in zip(letters, bad, strict=True):
        assert_as_it_came(installation, letter, event)


async def test_properties_that_cannot_be_decoded_are_one_bad_message_and_no_dead_connection(
    installation: Installation,
) -> None:
    async with raw_publisher(installation.amqp_url) as raw:
        for number, properties in enumerate(UNDECODABLE.values()):
            await raw.publish(installation.topology.sessions.name, WRITE_KEY, properties, b"%d" % number)
            await installation.write(f"sess {number}")
        letters = await installation.dead_letters(len(UNDECODABLE))
        assert raw.is_open
    assert {letter.body: str(letter.headers["x-code"]) for letter in letters} == {
        b"%d" % number: "bad_properties" for number in range(len(UNDECODABLE))
    }
    for letter in letters:
        expected = list(UNDECODABLE.values())[int(letter.body)]
        assert letter.headers["x-undecodable-properties"] == expected
    await installation.settle()
    assert len(await installation.revisions()) == len(UNDECODABLE)
    installation.assert_undisturbed()


async def test_a_routing_key_that_is_no_text_does_not_hold_up_the_queue(installation: Installation) -> None:
    async with raw_publisher(installation.amqp_url) as raw:
        await raw.publish(installation.topology.sessions.name, b"\xff" * 255, copied_to(WRITE_KEY), b"{}")
        (letter,) = await installation.dead_letters(1)
    assert letter.body == b"{}"
    assert letter.headers["x-code"] == "bad_schema"
    assert letter.headers["x-original-cc"] == [WRITE_KEY]
    await installation.settle()
    installation.assert_undisturbed()


async def publish(installation: Installation, event: BadEvent) -> None:
    """Publish an event with every property that a client may set."""
    await installation.caller.publish(
        event.body,
        WRITE_KEY,
        message_id=event.name,
        correlation_id="7",
        headers={"trace": [1, {"a": "b"}], "x-code": "the sender's"},
        content_type="application/cloudevents+json",
        content_encoding=event.content_encoding,
        app_id="engine",
        type="write",
        priority=3,
        timestamp=datetime(2025, 11, 7, tzinfo=UTC),
    )


def assert_as_it_came(installation: Installation, letter: AbstractIncomingMessage, event: BadEvent) -> None:
    """Assert that the letter has the event's body and properties, and headers with the code and reason."""
    assert letter.body == event.body
    assert letter.routing_key == WRITE_KEY
    assert (letter.app_id, letter.type, letter.priority, letter.correlation_id) == ("engine", "write", 3, "7")
    assert letter.timestamp == datetime(2025, 11, 7, tzinfo=UTC)
    assert (letter.content_type, letter.content_encoding or None) == (
        "application/cloudevents+json",
        event.content_encoding,
    )
    assert letter.delivery_mode == 2
    failed_at = datetime.fromisoformat(str(letter.headers["x-failed-at"]))
    assert abs((datetime.now(UTC) - failed_at).total_seconds()) < 60
    assert letter.headers["x-message"]
    assert letter.headers["x-origin-queue"] == installation.topology.write_queue.name
    assert letter.headers["trace"] == [1, {"a": "b"}]
