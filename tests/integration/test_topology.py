"""The topology is declared as in the contract, and a worker detects every difference at its start."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import AsyncMock

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from structlog.testing import capture_logs

from contracts.topology import DELETE_KEY, RPC_KEY, WRITE_KEY, Topology
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.broker_user import broker_user
from worker.broker import supervisor as supervisor_module
from worker.broker.intake import Intake
from worker.broker.session import BrokerOptions, BrokerSession, open_broker_session
from worker.broker.supervisor import BrokerSupervisor
from worker.broker.topology import Difference, check_topology, declare_topology
from worker.errors import BrokerUnavailable, TopologyError

MISSING, DIFFERENT = Difference.MISSING, Difference.DIFFERENT


@pytest.fixture
def topology(prefix: str) -> Topology:
    return Topology(prefix)


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    async with (
        await aio_pika.connect(amqp_url) as connection,
        connection.channel(on_return_raises=True) as channel,
    ):
        yield channel


@pytest.fixture
def reader_url(rabbit_server: RabbitServer) -> Iterator[str]:
    """Yield the URL of a user who may publish and consume, and declare nothing."""
    with broker_user(rabbit_server, "^$", ".*", ".*") as url:
        yield url


async def count(channel: AbstractChannel, queue: str) -> int:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


async def test_what_is_declared_is_found_and_may_be_declared_again(amqp_url: str, topology: Topology) -> None:
    everything = [exchange.name for exchange in topology.exchanges] + [
        queue.name for queue in topology.queues
    ]
    assert await check_topology(amqp_url, topology) == dict.fromkeys(everything, MISSING)
    for _ in range(2):
        await declare_topology(amqp_url, topology)
        assert await check_topology(amqp_url, topology) == {}


async def test_a_check_declares_nothing(amqp_url: str, topology: Topology) -> None:
    first = await check_topology(amqp_url, topology)
    assert await check_topology(amqp_url, topology) == first


async def test_messages_are_routed_as_the_contract_says(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    await declare_topology(amqp_url, topology)
    sessions = await channel.get_exchange(topology.sessions.name)
    for key in (WRITE_KEY, DELETE_KEY, RPC_KEY):
        await sessions.publish(aio_pika.Message(b"x"), key)
    for key in ("session.other", "write", "", f"{topology.prefix}session.write"):
        with pytest.raises(aio_pika.exceptions.PublishError):
            await sessions.publish(aio_pika.Message(b"x"), key)
    dead = await channel.get_exchange(topology.dead.name)
    for key in (WRITE_KEY, "", "a.b.c", "x" * 255):
        await dead.publish(aio_pika.Message(b"x"), key)
    queues = (topology.write_queue, topology.delete_queue, topology.rpc_queue, topology.dead_queue)
    assert [await count(channel, queue.name) for queue in queues] == [1, 1, 1, 4]


async def test_a_message_delivered_too_often_is_dead_lettered_by_the_broker(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    await declare_topology(amqp_url, topology)
    sessions = await channel.get_exchange(topology.sessions.name)
    await sessions.publish(aio_pika.Message(b"x"), WRITE_KEY)
    queue = await channel.get_queue(topology.write_queue.name)
    async with queue.iterator(timeout=20) as deliveries:
        deliveries = aiter(deliveries)
        for _ in range(21):
            await (await anext(deliveries)).reject(requeue=True)  # 4.3 does not count a nack
    dead = await channel.get_queue(topology.dead_queue.name)
    async with dead.iterator(timeout=20) as letters:
        letter = await anext(aiter(letters))
        await letter.ack()
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
    assert letter.routing_key == WRITE_KEY


async def test_every_difference_is_named(amqp_url: str, topology: Topology, channel: AbstractChannel) -> None:
    await channel.declare_exchange(topology.sessions.name, aio_pika.ExchangeType.DIRECT, durable=True)
    await channel.declare_exchange(topology.changes.name, aio_pika.ExchangeType.TOPIC, durable=False)
    await channel.declare_queue(topology.write_queue.name, durable=True)
    await channel.declare_queue(topology.rpc_queue.name, durable=True, arguments={"x-message-ttl": 1})
    assert await check_topology(amqp_url, topology) == {
        topology.sessions.name: DIFFERENT,
        topology.changes.name: DIFFERENT,
        topology.write_queue.name: DIFFERENT,
        topology.rpc_queue.name: DIFFERENT,
        topology.dead.name: MISSING,
        topology.dead_queue.name: MISSING,
        topology.delete_queue.name: MISSING,
        topology.erase_queue.name: MISSING,
    }
    with pytest.raises(TopologyError, match=topology.sessions.name):
        await declare_topology(amqp_url, topology)


async def test_a_worker_does_not_start_where_something_is_missing_or_differs(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    supervisor = BrokerSupervisor(BrokerOptions(lambda: amqp_url, "test"), topology, startup_timeout=30)
    serve = AsyncMock(side_effect=AssertionError("it serves"))
    with pytest.raises(TopologyError, match="run: session-store topology"):
        await supervisor.run(serve, asyncio.Event())
    await declare_topology(amqp_url, topology)
    await channel.queue_delete(topology.write_queue.name)
    await channel.declare_queue(topology.write_queue.name, durable=True)
    with pytest.raises(TopologyError, match=f"{topology.write_queue.name} is declared differently"):
        await supervisor.run(serve, asyncio.Event())
    assert supervisor.down_reason is not None


@pytest.mark.parametrize(("lasting", "ceilings"), [(1000.0, [0.2, 0.4, 0.8]), (0.0, [0.2, 0.2, 0.2])])
async def test_a_session_that_is_lost_at_once_is_followed_by_ever_longer_rests(
    amqp_url: str,
    topology: Topology,
    monkeypatch: pytest.MonkeyPatch,
    lasting: float,
    ceilings: list[float],
) -> None:
    await declare_topology(amqp_url, topology)
    stop, rests = asyncio.Event(), list[float]()

    async def refuse(broker: BrokerSession) -> None:
        broker.mark_lost("access refused")
        if len(rests) == len(ceilings):
            stop.set()

    def draw(_: float, ceiling: float) -> float:
        rests.append(ceiling)
        return 0.0

    monkeypatch.setattr(supervisor_module, "MIN_SESSION_SECONDS", lasting)
    monkeypatch.setattr("worker.retry.random.uniform", draw)
    with capture_logs() as log:
        await BrokerSupervisor(BrokerOptions(lambda: amqp_url, "test"), topology, startup_timeout=30).run(
            refuse, stop
        )
    assert rests == ceilings
    assert [line["reason"] for line in log if line["event"] == "broker.lost"] == ["access refused"] * 4


async def test_an_intake_that_was_not_started_in_time_leaves_no_consumer(
    amqp_url: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    await declare_topology(amqp_url, topology)
    start, queue = Intake.start, topology.rpc_queue.name

    async def start_late(intake: Intake, *given: Any, **options: Any) -> None:
        await start(intake, *given, **options)
        raise BrokerUnavailable("the broker answered too late")

    broker = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    monkeypatch.setattr(Intake, "start", start_late)
    with pytest.raises(BrokerUnavailable, match="too late"):
        await broker.open_intake((queue,), prefetch=5)
    monkeypatch.undo()
    await broker.open_intake((queue,), prefetch=5)
    assert (await broker.queue_state(queue)).consumers == 1
    await broker.close()


async def test_a_session_forgets_an_intake_that_is_closed(amqp_url: str, topology: Topology) -> None:
    await declare_topology(amqp_url, topology)
    broker = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    intake = await broker.open_intake((topology.write_queue.name, topology.delete_queue.name), prefetch=5)
    assert broker.consumed_queues == {topology.write_queue.name, topology.delete_queue.name}
    await intake.close()
    assert broker.consumed_queues == set()
    assert broker._intakes == set()
    await broker.close()


async def test_intakes_are_lost_with_their_session(amqp_url: str, topology: Topology) -> None:
    await declare_topology(amqp_url, topology)
    broker = await open_broker_session(BrokerOptions(lambda: amqp_url, "test"))
    intake = await broker.open_intake((topology.rpc_queue.name,), prefetch=5)
    broker.mark_lost("a test ends it")
    assert await intake.lost == "a test ends it"
    late = await broker.open_intake((topology.rpc_queue.name,), prefetch=5)
    assert await late.lost == "a test ends it"
    await broker.close()


async def test_a_user_who_may_not_declare_may_check(
    amqp_url: str, reader_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    with pytest.raises(TopologyError, match="configure permission"):
        await declare_topology(reader_url, topology)
    await declare_topology(amqp_url, topology)
    assert await check_topology(reader_url, topology) == {}
    await channel.queue_delete(topology.dead_queue.name)
    assert await check_topology(reader_url, topology) == {topology.dead_queue.name: MISSING}


async def test_two_installations_share_a_broker(
    amqp_url: str, topology: Topology, channel: AbstractChannel
) -> None:
    await declare_topology(amqp_url, topology)
    assert MISSING in (await check_topology(amqp_url, Topology(f"{topology.prefix}b."))).values()


async def test_a_broker_that_is_not_there_is_unavailable(topology: Topology) -> None:
    with pytest.raises(BrokerUnavailable):
        await check_topology("amqp://guest:guest@127.0.0.1:1/", topology)
