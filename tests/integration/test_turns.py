"""At most two batches are in flight and settle in order; none is settled after one that was not."""

import asyncio
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Sequence

import orjson
import pytest

from contracts.topology import DELETE_KEY, WRITE_KEY
from tests.support.programs.watched_worker import (
    Installation,
    codes_of,
    event_body,
    install,
    until,
    until_stored,
    write_body,
)
from worker.broker.delivery import Delivery
from worker.ingest.decode import decode
from worker.ingest.deliveries import DecodedEvent, Settlement
from worker.ingest.settle import Settler
from worker.store.rows import Applied
from worker.store.writer import EventWriter, Round

Results = list[dict[str, Applied]]


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    async with install(database_url, amqp_url, prefix, batch_size=1) as installation:
        yield installation


class Gate:
    """A gate that delays calls to the database until it is open: all calls, or only deletes."""

    def __init__(self, patch: pytest.MonkeyPatch, *, deletes: bool) -> None:
        self.held = 0
        self.open = asyncio.Event()
        apply = EventWriter.apply

        async def apply_later(writer: EventWriter, rounds: Sequence[Round]) -> Results:
            if rounds[0][0].is_delete or not deletes:
                self.held += 1
                await self.open.wait()
            return await apply(writer, rounds)

        patch.setattr(EventWriter, "apply", apply_later)


async def test_two_batches_are_in_flight_and_no_more(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, before = Gate(monkeypatch, deletes=False), len(installation.delivered)
    for number in range(4):
        await installation.write(f"s{number}")
    await until(lambda: len(installation.delivered) == before + 4)
    await installation.caller.call("health.check")
    assert gate.held == 2
    gate.open.set()
    await installation.settle()
    assert len(await installation.revisions()) == 4


async def test_a_write_that_expects_no_session_waits_for_the_batch_that_deletes_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await installation.write("a")
    await installation.settle()
    gate = Gate(monkeypatch, deletes=True)
    await installation.caller.publish(event_body(DELETE_KEY, "a", {"revision": 2}), DELETE_KEY)
    await until(lambda: gate.held == 1)
    body = write_body("a", 3, expected=0)
    async with TaskGroup() as tasks:
        confirming = tasks.create_task(installation.caller.send(body, WRITE_KEY))
        await until(lambda: installation.delivered[-1].body == body)
        await installation.caller.call("health.check")
        gate.open.set()
    assert orjson.loads(confirming.result())["outcome"] == "stored"


async def test_nothing_is_settled_after_a_batch_that_was_not(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str | None] = []

    async def fail(_: Settler, batch: Sequence[Settlement], *_others: object) -> bool:
        tried.extend(judged.subject for judged in batch)
        return False

    monkeypatch.setattr(Settler, "settle", fail)
    for number in range(3):
        await installation.write(f"s{number}")
        await until(lambda: installation.worker.state().serving.in_flight == number + 1)  # noqa: B023
    await until_stored(installation, "s2")  # the third batch begins when one of the first two has ended
    await until(lambda: installation.worker.state().serving.lag == 0)
    assert tried == ["s0"]
    assert await installation.revisions() == {"s0": 1, "s1": 1, "s2": 1}


async def test_an_event_that_we_fail_to_decode_is_dead_lettered_and_stops_nobody(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode_most(delivery: Delivery, *given: object) -> DecodedEvent:
        if b"strange" in delivery.body:
            raise RuntimeError("a defect")
        return decode(delivery, *given)  # type: ignore[arg-type]

    monkeypatch.setattr("worker.ingest.write_path.decode", decode_most)
    await installation.write("strange")
    await installation.write("usual")
    await installation.settle()
    assert codes_of(await installation.dead_letters(1)) == ["bad_schema"]
    assert await installation.revisions() == {"usual": 1}
    installation.assert_undisturbed()
