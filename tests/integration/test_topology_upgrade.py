"""`session-store topology` upgrades the topology of an earlier release and loses nothing."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from contracts.topology import NEVER_REACHED, RPC_KEY, WRITE_KEY, Queue, Topology
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.dead_letters import read_letters, take_all, until_queue_holds
from tests.support.programs.command import run_command
from tests.support.programs.replica import PROGRAM
from worker.broker.topology import Difference, check_topology
from worker.dead_letters.upgrade import Upgraded, upgrade_topology

LETTERS = 300
KILLS = 3
WAIT_SECONDS = 30.0


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        yield channel


@pytest.fixture
async def earlier(amqp_url: str, prefix: str, channel: AbstractChannel) -> AsyncIterator[Topology]:
    """Yield a topology as the previous release declared it."""
    topology = Topology(prefix)
    await upgrade_topology(amqp_url, topology)
    for queue in (topology.dead_queue, topology.rpc_queue):
        await channel.queue_delete(queue.name)
    rpc = topology.rpc_queue
    await declare(channel, topology.former_dead_queue)
    await declare(channel, Queue(rpc.name, rpc.exchange, rpc.binding_key, dict(rpc.earlier or {})))
    yield topology
    for queue in topology.upgrade_queues:
        await channel.queue_delete(queue.name)


async def test_dead_letters_and_requests_are_in_the_new_queues(
    amqp_url: str, rabbit_server: RabbitServer, earlier: Topology, channel: AbstractChannel
) -> None:
    await send(channel, earlier.dead.name, WRITE_KEY, range(LETTERS))
    await send(channel, earlier.sessions.name, RPC_KEY, range(20))
    with limit_lifted(rabbit_server, earlier):
        assert await upgrade_topology(amqp_url, earlier) == Upgraded(moved=LETTERS)
    assert await check_topology(amqp_url, earlier) == {}
    requests = await take_messages(channel, earlier.rpc_queue.name)
    assert [request.body for request in requests] == bodies(20)
    assert [request.correlation_id for request in requests] == [str(number) for number in range(20)]
    assert {request.reply_to for request in requests} == {"session.reply.test"}
    letters = await read_letters(amqp_url, earlier)
    assert [letter.delivery.body for letter in letters] == bodies(LETTERS)
    assert {letter.delivery.routing_key for letter in letters} == {WRITE_KEY}
    assert await count(channel, earlier.former_dead_queue) == 0
    await send(channel, earlier.dead.name, WRITE_KEY, [1])
    assert (
        await until_queue_holds(amqp_url, earlier.dead_queue.name, lambda held: held > LETTERS) == LETTERS + 1
    )
    assert await count(channel, earlier.former_dead_queue) == 0


async def test_a_run_that_is_killed_again_and_again_loses_no_letter(
    amqp_url: str, rabbit_server: RabbitServer, earlier: Topology, channel: AbstractChannel
) -> None:
    await send(channel, earlier.dead.name, WRITE_KEY, range(LETTERS))
    with limit_lifted(rabbit_server, earlier):
        for kill in range(1, KILLS + 1):
            await run_until(amqp_url, earlier, kill * LETTERS // (KILLS + 2))
        done = await run_topology(amqp_url, earlier)
        assert await done.wait() == 0
    found = await take_all(amqp_url, earlier.dead_queue.name)
    assert sorted(set(found), key=int) == bodies(LETTERS)
    assert len(found) < LETTERS + (KILLS + 1) * 64


async def test_letters_that_the_broker_may_drop_wait_until_a_policy_keeps_them(
    amqp_url: str, rabbit_server: RabbitServer, earlier: Topology, channel: AbstractChannel
) -> None:
    await send(channel, earlier.dead.name, WRITE_KEY, range(3))
    variables = {"AMQP_URL": amqp_url, "SESSION_STORE_PREFIX": earlier.prefix}
    refused = await asyncio.to_thread(run_command, "topology", variables=variables)
    version = await asyncio.to_thread(rabbit_server.ctl, "version")
    if int(version.split(".")[0]) < 4:
        assert refused.returncode == 0
        assert "moved 3 dead letters" in refused.stderr
        return
    assert refused.returncode == 1
    assert await count(channel, earlier.former_dead_queue) == 3
    set_it, again, clear_it = (
        shlex.split(line) for line in refused.stderr.splitlines() if line.startswith("    ")
    )
    await asyncio.to_thread(rabbit_server.ctl, *set_it[1:])
    moved = await asyncio.to_thread(run_command, *again[1:], variables=variables)
    await asyncio.to_thread(rabbit_server.ctl, *clear_it[1:])
    assert (moved.returncode, "moved 3 dead letters" in moved.stderr) == (0, True), moved.stderr
    assert await take_all(amqp_url, earlier.dead_queue.name) == bodies(3)


async def test_an_earlier_queue_of_requests_is_no_difference_that_stops_a_worker(
    amqp_url: str, earlier: Topology
) -> None:
    found = await check_topology(amqp_url, earlier)
    assert found == {
        earlier.dead_queue.name: Difference.MISSING,
        earlier.rpc_queue.name: Difference.EARLIER,
    }


async def run_topology(url: str, topology: Topology) -> asyncio.subprocess.Process:
    variables = {"AMQP_URL": url, "SESSION_STORE_PREFIX": topology.prefix}
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(PROGRAM, "topology", env=variables, stdout=nowhere)


async def run_until(url: str, topology: Topology, moved: int) -> None:
    """Run the command and kill it once this many letters are in the new queue."""
    running = await run_topology(url, topology)
    try:
        await until_there(url, topology.dead_queue.name)
        await until_queue_holds(url, topology.dead_queue.name, lambda count: count >= moved)
    finally:
        running.kill()
        await running.wait()


async def until_there(url: str, queue: str) -> None:
    """Return once the queue exists."""
    connection = await aio_pika.connect(url)
    async with connection, asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                async with connection.channel() as channel:
                    await channel.declare_queue(queue, passive=True)
                return
            except aio_pika.exceptions.ChannelNotFoundEntity:
                await asyncio.sleep(0.01)


@contextmanager
def limit_lifted(rabbit: RabbitServer, topology: Topology) -> Iterator[None]:
    """Set the policy that `session-store topology` asks for on RabbitMQ 4."""
    pattern = f"^{re.escape(topology.former_dead_queue.name)}"
    limit = json.dumps({"delivery-limit": NEVER_REACHED})
    rabbit.ctl("set_policy", "--apply-to", "queues", "session-store-upgrade", pattern, limit)
    try:
        yield
    finally:
        rabbit.ctl("clear_policy", "session-store-upgrade")


async def declare(channel: AbstractChannel, queue: Queue) -> None:
    declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
    await declared.bind(queue.exchange, queue.binding_key)


async def send(channel: AbstractChannel, exchange: str, key: str, numbers: range | list[int]) -> None:
    to = await channel.get_exchange(exchange)
    for number in numbers:
        message = aio_pika.Message(
            str(number).encode(),
            delivery_mode=2,
            reply_to="session.reply.test",
            correlation_id=str(number),
            headers={"x-code": "bad_json", "x-message": "why", "x-origin-queue": "session.write"},
        )
        await to.publish(message, key)


async def take_messages(channel: AbstractChannel, name: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    queue, taken = await channel.get_queue(name), []
    while (message := await queue.get(fail=False, no_ack=True)) is not None:
        taken.append(message)
    return taken


async def count(channel: AbstractChannel, queue: Queue) -> int:
    declared = await channel.declare_queue(queue.name, passive=True)
    return declared.declaration_result.message_count or 0


def bodies(number: int) -> list[bytes]:
    return [str(each).encode() for each in range(number)]
