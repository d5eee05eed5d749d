"""A consumer that the broker has lost ends the session; one that left by itself does not."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.broker.session import BrokerSession
from worker.broker.topology import QueueState
from worker.observability.metrics import Metrics
from worker.serving.queue_watch import QueueWatch
from worker.serving.scope import SessionScope

TOPOLOGY = Topology()


class Consuming:
    """Stands in for an intake of the queue of writes."""

    queues = frozenset([TOPOLOGY.write_queue.name])


class Broker:
    """Stands in for a session whose intakes change while the queues are read; each queue has `consumers`."""

    def __init__(self, consumers: int, change: Callable[["Broker"], None] = lambda _: None) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.open_intakes = frozenset([cast(Intake, Consuming())])
        self._consumers = consumers
        self._change = change

    @property
    def consumed_queues(self) -> frozenset[str]:
        return frozenset().union(*(intake.queues for intake in self.open_intakes))

    async def queue_state(self, _queue: str) -> QueueState:
        self._change(self)
        return QueueState(0, self._consumers)

    async def check(self, _topology: Topology) -> None:
        self.mark_lost("nothing was found")

    def mark_lost(self, reason: str) -> None:
        self.lost.set_result(reason)


def close(broker: Broker) -> None:
    broker.open_intakes = frozenset()


def replace(broker: Broker) -> None:
    broker.open_intakes = frozenset([cast(Intake, Consuming())])


async def ended_by(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return why the session was lost, in the first round or by the check of the topology in the second."""
    monkeypatch.setattr("worker.serving.queue_watch.WATCH_SECONDS", 0.0)
    scope = SessionScope(cast(BrokerSession, broker), asyncio.Event())
    await QueueWatch(scope, TOPOLOGY, Metrics("test")).run()
    return broker.lost.result()


async def test_a_consumer_that_the_broker_does_not_know_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await ended_by(Broker(0), monkeypatch) == "the broker has lost a consumer"


async def test_queues_with_consumers_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await ended_by(Broker(1), monkeypatch) == "nothing was found"


@pytest.mark.parametrize("change", [close, replace])
async def test_an_intake_that_closes_while_the_queues_are_read_ends_nothing(
    change: Callable[[Broker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended_by(Broker(0, change), monkeypatch) == "nothing was found"
