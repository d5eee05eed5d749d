"""A consumer that the broker has lost ends the broker session; a closed intake does not."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from contracts.topology import Topology
from worker.broker.intake import Intake
from worker.broker.session import BrokerSession
from worker.broker.topology import QueueState
from worker.errors import BrokerUnavailable
from worker.observability.metrics import Metrics
from worker.serving.queue_watch import QueueWatch
from worker.serving.scope import SessionScope

TOPOLOGY = Topology()
KNOWN = QueueState(0, 1)
GONE = QueueState(0, 0)
UNKNOWN = QueueState(0, 0, is_certain=False)
OVER = "no more rounds"


class Consuming:
    """A fake intake of the write queue."""

    queues = frozenset([TOPOLOGY.write_queue.name])


class Broker:
    """A fake broker session whose intakes change while the queues are read; it ends after these rounds."""

    def __init__(self, *rounds: QueueState, change: Callable[["Broker"], None] = lambda _: None) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.open_intakes = frozenset([cast(Intake, Consuming())])
        self._states = [state for state in rounds for _ in TOPOLOGY.event_queues]
        self._change = change

    @property
    def consumed_queues(self) -> frozenset[str]:
        return frozenset().union(*(intake.queues for intake in self.open_intakes))

    async def queue_state(self, _queue: str) -> QueueState:
        if not self._states:
            raise BrokerUnavailable(OVER)
        self._change(self)
        return self._states.pop(0)

    async def check(self, _topology: Topology) -> None:
        """Find no difference."""

    def mark_lost(self, reason: str) -> None:
        self.lost.set_result(reason)


def close(broker: Broker) -> None:
    broker.open_intakes = frozenset()


def replace(broker: Broker) -> None:
    broker.open_intakes = frozenset([cast(Intake, Consuming())])


async def ended_by(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return why the broker session was lost."""
    for name in ("WATCH_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(f"worker.serving.queue_watch.{name}", 0.0)
    scope = SessionScope(cast(BrokerSession, broker), asyncio.Event())
    await QueueWatch(scope, TOPOLOGY, Metrics("test")).run()
    return broker.lost.result()


async def test_a_consumer_that_the_broker_does_not_know_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await ended_by(Broker(KNOWN, GONE, GONE), monkeypatch) == "the broker has lost a consumer"


@pytest.mark.parametrize(
    "rounds", [[KNOWN, KNOWN, KNOWN], [GONE, KNOWN, GONE], [UNKNOWN] * 5, [GONE, UNKNOWN, UNKNOWN, GONE]]
)
async def test_one_count_and_counts_that_are_no_answer_end_nothing(
    rounds: list[QueueState], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended_by(Broker(*rounds), monkeypatch) == OVER


@pytest.mark.parametrize("change", [close, replace])
async def test_an_intake_that_closes_while_the_queues_are_read_ends_nothing(
    change: Callable[[Broker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended_by(Broker(GONE, GONE, GONE, change=change), monkeypatch) == OVER
