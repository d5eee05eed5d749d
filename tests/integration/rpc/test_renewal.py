"""The consumers of requests are replaced where the broker may swallow their deliveries."""

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.broker.caller import Caller
from tests.support.programs.rpc_worker import Installation
from worker.broker.topology import declare_one
from worker.serving import renewal, request_serving
from worker.serving.renewal import Renewal

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMES = 3
RENEWALS = 20


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker check its queue and its consumers very often."""
    monkeypatch.setattr(request_serving, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(renewal, "RENEW_SECONDS", 0.5)


@pytest.fixture
def renewed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Renewal]]:
    """Have the consumers replaced at each check; yield the list of these replacements."""
    renewals: list[Renewal] = []

    def is_due(each: Renewal) -> bool:
        renewals.append(each)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(Renewal, "is_due", is_due)
        yield renewals


async def test_a_queue_that_is_deleted_and_declared_again_at_once_is_served(
    installation: Installation, caller: Caller
) -> None:
    queue = installation.topology.rpc_queue
    async with caller.connection.channel() as opened:
        channel = await opened.get_underlay_channel()
        for _ in range(TIMES):
            await channel.queue_delete(queue.name)
            await declare_one(channel, queue)
            await channel.queue_bind(queue.name, queue.exchange, queue.binding_key)
            async with asyncio.timeout(30):
                assert (await caller.call("health.check"))["ok"] is True


async def test_requests_are_answered_once_while_consumers_are_replaced(
    installation: Installation, caller: Caller, renewed: list[Renewal]
) -> None:
    with capture_logs() as lines:
        while len(renewed) < RENEWALS:
            assert (await caller.call("health.check"))["ok"] is True
            assert installation.worker.state().serving.attached
    assert caller.strays == []
    assert lines == []
