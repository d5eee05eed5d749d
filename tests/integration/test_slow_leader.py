"""A broker that is too busy to count its consumers has not lost them."""

import asyncio
from urllib.parse import quote

import pytest

from deploy.local.rabbitmq import RabbitServer
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.watched_worker import Installation, install, until
from worker.broker.session import BrokerSession
from worker.broker.topology import QueueState
from worker.serving import queue_watch


async def test_a_queue_whose_leader_does_not_answer_costs_no_session(
    database_url: str, rabbit_server: RabbitServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[QueueState] = []
    count = BrokerSession.queue_state

    async def noted(broker: BrokerSession, queue: str) -> QueueState:
        state = await count(broker, queue)
        if queue.endswith("session.write"):
            counted.append(state)
        return state

    monkeypatch.setattr(BrokerSession, "queue_state", noted)
    for name in ("WATCH_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(queue_watch, name, 0.05)
    async with install(database_url, rabbit_server.url, prefix) as installation:
        leader = await suspended_leader(rabbit_server, installation)
        before = len(counted)
        async with asyncio.timeout(LONGEST_WAIT):
            await until(lambda: len(counted) > before + 4)
        assert (0, 0) in [(state.messages, state.consumers) for state in counted[before:]]
        await asyncio.to_thread(rabbit_server.ctl, "eval", f"sys:resume({leader}).")
        await installation.write("sess_1")
        await installation.settle()
        installation.assert_undisturbed()


async def suspended_leader(rabbit: RabbitServer, installation: Installation) -> str:
    """Suspend the leader of the write queue, and return the Erlang expression for its process."""
    leader = f"whereis('{quote('/', safe='')}_{installation.topology.write_queue.name}')"
    await asyncio.to_thread(rabbit.ctl, "eval", f"sys:suspend({leader}).")
    return leader
