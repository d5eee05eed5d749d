"""The Python client's delete of a session whose last event is greater."""

import asyncio
import time

import pytest

from contracts.client.events import OutgoingMessage
from contracts.outcomes import Outcome
from tests.support.broker.client_transport import SESSION, FakeTransport, Reply, client, confirmation


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """Return the transport of every client that the test makes."""
    transport = FakeTransport()
    monkeypatch.setattr("contracts.client.store.Transport", lambda *_: transport)
    return transport


async def test_a_delete_is_made_again_above_a_state_from_a_clock_that_is_ahead(
    transport: FakeTransport,
) -> None:
    ahead = 2**52
    answers = iter([confirmation("superseded", ahead), confirmation("deleted", None)])
    transport.answering = lambda _: next(answers)
    deleted = await client().delete("sess_1")
    assert deleted.existed
    assert [said["data"]["revision"] for said in transport.sent][1:] == [ahead + 1] == [deleted.revision]
    assert transport.sent[0]["id"] != transport.sent[1]["id"]


async def test_a_delete_that_was_long_on_its_way_leaves_what_was_written_meanwhile(
    transport: FakeTransport,
) -> None:
    transport.answering = lambda _: confirmation("superseded", time.time_ns() // 1000)
    deleted = await client().delete("sess_1")
    assert (deleted.outcome, deleted.existed, len(transport.sent)) == (Outcome.SUPERSEDED, False, 1)


async def test_a_delete_with_a_revision_of_its_own_is_superseded_by_a_greater_one(
    transport: FakeTransport,
) -> None:
    transport.answering = lambda _: confirmation("superseded", 9)
    deleted = await client().delete("sess_1", revision=8)
    assert (deleted.outcome, deleted.existed, len(transport.sent)) == (Outcome.SUPERSEDED, False, 1)


async def test_a_delete_is_not_made_again_above_a_later_write_of_this_client(
    transport: FakeTransport,
) -> None:
    store = client()
    answer = asyncio.Event()

    async def request(message: OutgoingMessage, deadline: float) -> Reply:
        await transport.publish(message, deadline)
        await answer.wait()
        return confirmation("superseded", 2**52)

    transport.request = request  # type: ignore[method-assign]
    deleting = asyncio.create_task(store.delete("sess_1"))
    writing = asyncio.create_task(store.write(SESSION))
    while len(transport.sent) < 2:
        await asyncio.sleep(0)
    answer.set()
    assert (await deleting).outcome is Outcome.SUPERSEDED
    assert (await writing).outcome is Outcome.SUPERSEDED
    assert len(transport.sent) == 2
