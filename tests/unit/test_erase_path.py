"""An erasure that fails is tried again, and the next attempt knows of the failure."""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest

from contracts.outcomes import Outcome
from contracts.topology import ERASE_KEY
from tests.support.events.deliveries import deliver
from worker.broker.delivery import Delivery
from worker.broker.intake import Intake
from worker.dead_letters.removal import RemovedDeadLetters
from worker.errors import StorageUnavailable
from worker.ingest.deliveries import Settlement
from worker.ingest.erase_path import ErasePath, Removers
from worker.ingest.erasing import Erased, Eraser
from worker.ingest.settle import Settler
from worker.ingest.write_path import Limits
from worker.observability.metrics import Metrics

ERASURE = orjson.dumps(
    {
        "specversion": "1.0",
        "id": "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10",
        "source": "test",
        "type": "player.erase",
        "subject": "player",
        "data": {"revision": 7},
    }
)


class OneDelivery:
    """A fake intake that delivers one message and stays open."""

    def __init__(self, delivery: Delivery) -> None:
        self._left = [delivery]

    async def receive(self, _limit: int) -> list[Delivery]:
        taken, self._left = self._left, []
        return taken

    async def run_until_lost(self, work: Coroutine[None, None, Any]) -> Any:
        return await work

    async def wait_while_open(self, _seconds: float) -> bool:
        return True


class FailingOnce:
    """A fake eraser whose first attempt fails; `asked` has the argument `again` of each attempt."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    async def erase(self, _player: str, revision: int, *, again: bool) -> Erased:
        self.asked.append(again)
        if len(self.asked) == 1:
            raise StorageUnavailable("connection lost")
        return Erased(revision, datetime.now(UTC), 1, 0, 0)


class Settling:
    """A fake settler that keeps its settlements."""

    def __init__(self) -> None:
        self.settled: list[Settlement] = []

    async def settle(self, batch: list[Settlement], _intake: Intake) -> bool:
        self.settled += batch
        return True


async def no_dead_letters(_player: str) -> RemovedDeadLetters:
    return RemovedDeadLetters(0, 0)


@pytest.mark.parametrize(("redelivered", "asked"), [(False, [False, True]), (True, [True, True])])
async def test_what_an_attempt_may_have_left_untold_is_told_by_the_next(
    redelivered: bool, asked: list[bool]
) -> None:
    delivery = deliver(ERASURE, ERASE_KEY)
    delivery.redelivered = redelivered
    eraser, settler = FailingOnce(), Settling()
    intake = cast(Intake, OneDelivery(delivery))
    removers = Removers(cast(Eraser, eraser), no_dead_letters)
    limits = Limits(batch=1, body=1024, patience=60)
    path = ErasePath(intake, removers, cast(Settler, settler), limits, Metrics("test"))
    await path.run()
    assert eraser.asked == asked
    assert [judged.verdict.outcome for judged in settler.settled] == [Outcome.ERASED]
