"""A broker may refuse to tell a login the number of messages in a queue, as RabbitMQ 4.2.6 and later do."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from aiormq.exceptions import ChannelAccessRefused

from contracts.topology import Topology
from worker.broker import session
from worker.broker.connection import FilteredConnection
from worker.broker.session import BrokerOptions, open_broker_session
from worker.broker.topology import QueueState
from worker.dead_letters import queue as dead_letters
from worker.dead_letters.peek import count_messages
from worker.dead_letters.queue import open_dead_letters
from worker.errors import BrokerUnavailable

REFUSED: Final = "ACCESS_REFUSED - configure access to queue refused"


async def refuse(*_: object) -> QueueState:
    raise BrokerUnavailable(REFUSED) from ChannelAccessRefused(REFUSED)


def refusing(refused: str) -> Callable[[FilteredConnection, str], Awaitable[int]]:
    """Return a count of messages that the broker refuses for one queue."""

    async def count(connection: FilteredConnection, queue: str) -> int:
        if queue == refused:
            await refuse()
        return await count_messages(connection, queue)

    return count


async def test_a_worker_goes_on_without_the_state_of_its_queues(
    amqp_url: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "read_queue_state", refuse)
    opened = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    assert not (await opened.queue_state(topology.write_queue.name)).is_certain
    assert not opened.lost.done()
    await opened.close()


async def test_dead_letters_are_read_by_a_login_that_may_not_see_the_former_queue(
    amqp_url: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "count_messages", refusing(topology.former_dead_queue.name))
    async with open_dead_letters(amqp_url, topology) as opened:
        assert opened.total == 0


async def test_a_login_that_may_not_see_the_dead_letters_is_refused(
    amqp_url: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "count_messages", refusing(topology.dead_queue.name))
    with pytest.raises(BrokerUnavailable, match="configure access"):
        async with open_dead_letters(amqp_url, topology):
            raise AssertionError("it was opened")
