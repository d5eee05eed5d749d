"""What the Python client makes of a delete that a greater event was there before."""

import asyncio
import time

import pytest

from contracts.client.messages import Message
from contracts.outcomes import Outcome
from tests.support.broker.client_wire import SESSION, Answer, Wire, client, told


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Return the wire of every client that the test makes."""
    wire = Wire()
    monkeypatch.setattr("contracts.client.store.Wire", lambda *_: wire)
    return wire


async def test_a_delete_is_made_again_above_a_state_from_a_clock_that_is_ahead(wire: Wire) -> None:
    ahead = 2**52
    answers = iter([told("superseded", ahead), told("deleted", None)])
    wire.answering = lambda _: next(answers)
    deleted = await client().delete("sess_1")
    assert deleted.existed
    assert [said["data"]["revision"] for said in wire.said][1:] == [ahead + 1] == [deleted.revision]
    assert wire.said[0]["id"] != wire.said[1]["id"]


async def test_a_delete_that_was_long_on_its_way_leaves_what_was_written_meanwhile(wire: Wire) -> None:
    wire.answering = lambda _: told("superseded", time.time_ns() // 1000)
    deleted = await client().delete("sess_1")
    assert (deleted.outcome, deleted.existed, len(wire.said)) == (Outcome.SUPERSEDED, False, 1)


async def test_a_delete_with_a_revision_of_its_own_is_superseded_by_a_greater_one(wire: Wire) -> None:
    wire.answering = lambda _: told("superseded", 9)
    deleted = await client().delete("sess_1", revision=8)
    assert (deleted.outcome, deleted.existed, len(wire.said)) == (Outcome.SUPERSEDED, False, 1)


async def test_a_delete_is_not_made_again_above_a_later_write_of_this_client(wire: Wire) -> None:
    store = client()
    answer = asyncio.Event()

    async def ask(message: Message, deadline: float) -> Answer:
        await wire.publish(message, deadline)
        await answer.wait()
        return told("superseded", 2**52)

    wire.ask = ask  # type: ignore[method-assign]
    deleting = asyncio.create_task(store.delete("sess_1"))
    writing = asyncio.create_task(store.write(SESSION))
    while len(wire.said) < 2:
        await asyncio.sleep(0)
    answer.set()
    assert (await deleting).outcome is Outcome.SUPERSEDED
    assert (await writing).outcome is Outcome.SUPERSEDED
    assert len(wire.said) == 2
