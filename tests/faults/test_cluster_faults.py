"""A broker of three nodes loses the leader of the queues, to which workers and engines are connected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Final

import aio_pika
import pytest

from contracts.client import SessionStore
from contracts.outcomes import DeadLetterCode
from deploy.local.postgres import PostgresServer
from tests.support.selection import long
from tests.support.servers.cluster import ClusterNode, RabbitCluster
from tests.support.servers.running import delete_topology, unique_prefix
from tests.support.stage.stage import Stage
from worker.broker.delivery import Properties
from worker.broker.publisher import DeadLetterMessage
from worker.broker.session import BrokerOptions, open_broker_session

pytestmark = long("a broker of three nodes takes a while to start")

BackInTime = Callable[[float], None]

WAIT_SECONDS: Final = 20.0
ID: Final = "sess_of_the_cluster"
SESSION: Final = {
    "sessionId": ID,
    "playerId": "player_1",
    "encounter": {},
    "state": {},
    "startedAt": "2025-11-07T10:30:00Z",
}


@pytest.fixture(scope="module")
def cluster(slot: Path) -> Iterator[RabbitCluster]:
    """Yield a broker of three nodes of this module alone, which its tests may kill."""
    cluster = RabbitCluster(slot / "rabbitmq-cluster")
    try:
        yield cluster
    finally:
        cluster.erase()


@pytest.fixture
async def cluster_stage(
    cluster: RabbitCluster, postgres_server: PostgresServer, database_url: str, fault_seed: int
) -> AsyncIterator[Stage]:
    """Yield an installation of this test alone on the cluster, its queues declared at the first node."""
    await asyncio.to_thread(cluster.start)
    first, name = cluster.nodes[0], database_url.rpartition("/")[2]
    stage = Stage(postgres_server, first, name, unique_prefix(), fault_seed)
    await stage.prepare()
    await asyncio.to_thread(cluster.sync)
    yield stage
    await stage.close()
    await asyncio.to_thread(cluster.start)
    await delete_topology(first.url, stage.topology)


@pytest.fixture
async def store(cluster: RabbitCluster, cluster_stage: Stage) -> AsyncIterator[SessionStore]:
    """Yield an engine's client that knows every node."""
    url, prefix = cluster.url, cluster_stage.topology.prefix
    async with SessionStore(url, prefix=prefix, timeout=WAIT_SECONDS) as store:
        yield store


async def test_a_node_killed_under_load_costs_no_event(
    cluster: RabbitCluster, cluster_stage: Stage, back_in_time: BackInTime
) -> None:
    stage, lost = cluster_stage, cluster.nodes[0]
    replicas = [await stage.start_replica(AMQP_URL=cluster.url) for _ in range(2)]
    assert await asyncio.to_thread(leader_of, stage) == lost.node
    publishing = asyncio.create_task(stage.publish(4000, rate=1000))
    await stage.probe()
    await lose(stage, lost, survivor=cluster.nodes[1])
    back_in_time(await stage.probe())
    await stage.start_replica(AMQP_URL=cluster.url)
    await publishing
    await asyncio.to_thread(lost.start)
    await stage.publish(500)
    report = await stage.finish()
    assert report.is_clean, report
    assert [replica.count("worker.starting") for replica in replicas] == [1, 1]


async def test_events_are_stored_and_requests_answered_while_a_node_is_down(
    cluster: RabbitCluster, cluster_stage: Stage, store: SessionStore, back_in_time: BackInTime
) -> None:
    stage, lost = cluster_stage, cluster.nodes[0]
    await stage.start_replica(AMQP_URL=cluster.url)
    assert (await store.write(SESSION)).outcome == "stored"
    await lose(stage, lost, survivor=cluster.nodes[1])
    began = monotonic()
    assert (await store.write(SESSION)).outcome == "stored"
    assert await store.read(ID) is not None
    back_in_time(monotonic() - began)
    late = await stage.start_replica(AMQP_URL=cluster.url)
    await late.logged("broker.connected")
    for _ in range(10):
        assert (await store.write(SESSION)).outcome == "stored"
        assert await store.read(ID) is not None


async def test_events_never_wait_for_a_queue_of_requests_whose_node_is_down(
    cluster: RabbitCluster, cluster_stage: Stage, store: SessionStore
) -> None:
    stage, lost = cluster_stage, cluster.nodes[0]
    await declare_requests_as_before(stage)
    replica = await stage.start_replica(AMQP_URL=cluster.url)
    assert await store.read(ID) is None
    await lose(stage, lost, survivor=cluster.nodes[1])
    assert (await store.write(SESSION)).outcome == "stored"
    late = await stage.start_replica(AMQP_URL=cluster.url)
    for each in (replica, late):
        await each.logged("requests.unavailable")
    assert (await store.write(SESSION)).outcome == "stored"
    assert replica.count("broker.lost") <= 1  # for its node, not for the requests
    await asyncio.to_thread(lost.start)
    for each in (replica, late):
        await each.logged("requests.available")
    assert await store.read(ID) is not None


async def test_a_dead_letter_outlives_a_channel_that_is_refused_for_ever(
    cluster: RabbitCluster, cluster_stage: Stage
) -> None:
    stage, survivor = cluster_stage, cluster.nodes[1]
    await lose(stage, cluster.nodes[0], survivor)
    session = await open_broker_session(BrokerOptions(lambda: survivor.url, "test"))
    try:
        publisher = await session.open_publisher()
        letter = DeadLetterMessage(
            DeadLetterCode.BAD_JSON, "session.write", Properties(delivery_mode=2), b"{"
        )
        async with asyncio.timeout(WAIT_SECONDS):
            while await publisher.publish_dead_letters(stage.topology.dead.name, [letter]):
                await asyncio.sleep(0.1)
        assert not session.lost.done()
    finally:
        await session.close()


async def declare_requests_as_before(stage: Stage) -> None:
    """Declare the queue of requests as earlier releases did: classic, on the first node."""
    queue = stage.topology.rpc_queue
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(queue.name)
        declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.earlier or {}))
        await declared.bind(queue.exchange, queue.binding_key)


async def lose(stage: Stage, lost: ClusterNode, survivor: ClusterNode) -> None:
    """Kill a node; the stage then reads from and publishes to the survivor."""
    stage.producer.follow(survivor.url)
    await asyncio.to_thread(lost.kill)
    stage.rabbit = survivor


def leader_of(stage: Stage) -> str:
    """Return the node that leads the write queue; assert that three nodes have the queue."""
    rows = stage.rabbit.ctl("list_queues", "name", "leader", "members").splitlines()
    name, leader, members = next(
        row.split("\t") for row in rows if row.startswith(stage.topology.write_queue.name + "\t")
    )
    assert members.count("@") == 3, (name, members)
    return leader
