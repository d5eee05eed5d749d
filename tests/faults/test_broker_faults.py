"""The broker is restarted, killed, frozen, disconnected, filled and reconfigured under a running worker."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from time import monotonic

import aio_pika
import pytest

from deploy.local.ports import LOOPBACK
from tests.support.selection import long
from tests.support.servers.proxy import Proxy
from tests.support.stage.events import spoil
from tests.support.stage.history import Sent
from tests.support.stage.stage import Stage
from tests.support.stage.stream import Mix
from worker.broker.topology import declare_topology

BackInTime = Callable[[float], None]
ALARM_SECONDS = 22  # the watchdog checks every 10 s, and waits up to 5 s for an answer


@pytest.fixture
async def proxy(stage: Stage) -> AsyncIterator[Proxy]:
    """Yield a proxy before the stage's broker."""
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        yield proxy


@long("a broker that is killed is tried by each change")
async def test_a_broker_that_is_stopped_and_started_costs_nothing(
    stage: Stage, back_in_time: BackInTime
) -> None:
    await stage.start_replica()
    publishing = asyncio.create_task(stage.publish(3000, rate=1000))
    await asyncio.to_thread(stage.rabbit.ctl, "stop_app")
    await asyncio.to_thread(stage.rabbit.ctl, "start_app")
    back_in_time(await stage.probe())
    await publishing
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_broker_that_is_killed_costs_nothing(stage: Stage, back_in_time: BackInTime) -> None:
    replicas = [await stage.start_replica() for _ in range(2)]
    async with stage.load(rate=1000):
        await stage.probe()
        await asyncio.to_thread(stage.rabbit.restart, "kill")
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report
    assert [replica.count("worker.starting") for replica in replicas] == [1, 1]


async def test_a_frozen_broker_costs_nothing(stage: Stage, back_in_time: BackInTime) -> None:
    await stage.start_replica()
    async with stage.load(rate=1000):
        await stage.probe()
        await asyncio.to_thread(stage.rabbit.freeze)
        await asyncio.sleep(3)
        await asyncio.to_thread(stage.rabbit.thaw)
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_closed_connections_are_opened_again(stage: Stage, back_in_time: BackInTime) -> None:
    await stage.start_replica()
    async with stage.load(rate=1000):
        await stage.probe()
        await asyncio.to_thread(stage.rabbit.ctl, "close_all_connections", "a test")
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_reset_connections_are_opened_again(
    stage: Stage, proxy: Proxy, draw: random.Random, back_in_time: BackInTime
) -> None:
    await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
    async with stage.load(rate=1000):
        for _ in range(5):
            proxy.cut()
            await asyncio.sleep(draw.uniform(0.05, 0.8))
        back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


@long("missed heartbeats are waited for")
async def test_a_silent_broker_is_noticed_and_left(
    stage: Stage, proxy: Proxy, back_in_time: BackInTime
) -> None:
    await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
    publishing = asyncio.create_task(stage.publish(1000, rate=500))
    await stage.probe()
    known = proxy.counters.accepted
    proxy.pause()
    begun = monotonic()
    while proxy.counters.accepted == known:
        await asyncio.sleep(0.05)
    noticed = monotonic() - begun
    proxy.resume()
    back_in_time(await stage.probe())
    assert noticed < 20, noticed
    await publishing
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_queue_that_is_gone_is_consumed_again_when_it_is_declared(
    stage: Stage, back_in_time: BackInTime
) -> None:
    replica = await stage.start_replica()
    await stage.probe()
    await _delete(stage, stage.topology.write_queue.name)
    gone = await replica.logged("broker.unavailable")
    assert f"{stage.topology.write_queue.name} is missing" in gone["reason"]
    await declare_topology(stage.rabbit.url, stage.topology)
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_queue_declared_differently_ends_the_worker_with_its_name(stage: Stage) -> None:
    replica = await stage.start_replica()
    name = stage.topology.delete_queue.name
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)
        await channel.declare_queue(name, durable=True)
    assert await replica.ended() == 78
    assert any(f"{name} is declared differently" in line for line in replica.said), replica.said


async def test_a_bad_event_waits_while_there_is_no_dead_letter_exchange(
    stage: Stage, back_in_time: BackInTime
) -> None:
    replica = await stage.start_replica()
    await stage.probe()
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        await channel.exchange_delete(stage.topology.dead.name)
    await stage.producer.publish([_bad_event(stage)])
    gone = await replica.logged("broker.unavailable")
    assert f"{stage.topology.dead.name} is missing" in gone["reason"]
    await declare_topology(stage.rabbit.url, stage.topology)
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert (report.is_clean, report.dead_lettered) == (True, 1), report


async def test_bad_events_wait_while_the_dead_letter_queue_is_full(
    stage: Stage, back_in_time: BackInTime
) -> None:
    replica = await stage.start_replica()
    full = '{"max-length": 1, "overflow": "reject-publish"}'
    policy = ("full", f"^{stage.topology.dead_queue.name}$", full, "--apply-to", "queues")
    await asyncio.to_thread(stage.rabbit.ctl, "set_policy", *policy)
    published = 0
    while not replica.count("dead_letters.retrying"):  # a full quorum queue refuses publications late
        await stage.producer.publish([_bad_event(stage) for _ in range(10)])
        published += 10
    while len(stage.letters) < published:
        await stage.take_letters()
    back_in_time(await stage.probe())
    await asyncio.to_thread(stage.rabbit.ctl, "clear_policy", "full")
    report = await stage.finish()
    told = (report.is_clean, report.dead_lettered, report.repeated_dead_letters)
    assert told == (True, published, 0), report
    assert replica.count("broker.connected") == 1, replica.tail()


@long("the watchdog is waited for, 22 s")
async def test_a_broker_short_of_memory_gets_each_dead_letter_once(
    stage: Stage, back_in_time: BackInTime
) -> None:
    replica = await stage.start_replica()
    replica.send(signal.SIGSTOP)
    await stage.producer.publish([*stage.events(300, Mix(repeats=0)), _bad_event(stage)])
    await asyncio.to_thread(stage.rabbit.ctl, "set_vm_memory_high_watermark", "0")
    replica.send(signal.SIGCONT)
    await replica.logged("broker.blocked")
    connected = replica.count("broker.connected")
    await asyncio.sleep(ALARM_SECONDS)
    assert replica.count("broker.connected") == connected, replica.tail()
    await asyncio.to_thread(stage.rabbit.ctl, "set_vm_memory_high_watermark", "0.4")
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert (report.is_clean, report.repeated_dead_letters) == (True, 0), report


def _bad_event(stage: Stage) -> Sent:
    """Return an invalid event, which becomes a dead letter."""
    return replace(spoil(stage.make_probe(), stage.draw), asks=False)


async def _delete(stage: Stage, queue: str) -> None:
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        await channel.queue_delete(queue)
