"""Workers are killed, frozen and stopped."""

import asyncio
import random
import signal

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from tests.support.programs.replica import Replica
from tests.support.selection import long
from tests.support.stage.aftermath import count_ready
from tests.support.stage.stage import POLL_SECONDS, Stage
from tests.support.stage.stream import Mix
from worker.failpoint import Failpoint

TALKATIVE = Mix(asks=0.3, conditional=0.1, invalid=0.05)


@long("many workers are started; each point of a batch is tried by each change")
async def test_workers_killed_at_random_moments_lose_nothing(calm_stage: Stage, draw: random.Random) -> None:
    for _ in range(3):
        await calm_stage.start_replica()
    publishing = asyncio.create_task(calm_stage.publish(8000, rate=1500))
    while not publishing.done():
        await asyncio.sleep(draw.uniform(0.1, 0.5))
        await draw.choice(calm_stage.running).kill()
        await calm_stage.start_replica(ready=False)
    await publishing
    report = await calm_stage.finish()
    assert report.is_clean, report


@pytest.mark.parametrize("point", list(Failpoint))
async def test_a_worker_that_dies_at_a_point_of_a_batch_loses_nothing(
    calm_stage: Stage, point: Failpoint
) -> None:
    doomed = [await calm_stage.start_replica(SESSION_STORE_FAILPOINT=f"{point}:{turn}") for turn in (1, 3)]
    await calm_stage.publish(600)
    publishing = asyncio.create_task(calm_stage.producer.publish(calm_stage.events(1200, TALKATIVE)))
    assert [await replica.ended() for replica in doomed] == [-signal.SIGKILL] * 2
    await calm_stage.start_replica()
    await publishing
    report = await calm_stage.finish()
    assert report.is_clean, report


async def test_an_event_that_was_applied_before_the_crash_is_told_as_a_duplicate(calm_stage: Stage) -> None:
    doomed = await calm_stage.start_replica(SESSION_STORE_FAILPOINT=Failpoint.AFTER_COMMIT)
    probe = calm_stage.make_probe()
    asking = asyncio.create_task(calm_stage.producer.ask(probe))
    await doomed.ended()
    await calm_stage.start_replica()
    answer = await asking
    assert (answer.outcome, answer.first) == ("duplicate", "stored")
    report = await calm_stage.finish()
    assert (report.is_clean, report.stored) == (True, 1), report


async def test_a_stop_under_load_redelivers_nothing(calm_stage: Stage) -> None:
    replica = await calm_stage.start_replica(SESSION_STORE_PREFETCH="100")
    over = asyncio.Event()
    publishing = asyncio.create_task(calm_stage.publish_until(over, rate=2000))
    await calm_stage.probe()
    replica.send(signal.SIGTERM)
    assert await replica.ended(timeout=10) == 0
    over.set()
    await publishing
    assert await _count_redelivered(calm_stage) == 0
    await calm_stage.start_replica()
    report = await calm_stage.finish()
    assert report.is_clean, report


async def test_a_second_sigterm_ends_a_worker_at_once_and_loses_nothing(stage: Stage) -> None:
    replica = await stage.start_replica()
    stage.postgres.freeze()
    await stage.publish(200)
    await stage.drained()
    replica.send(signal.SIGTERM)
    await replica.logged("worker.stopping")
    replica.send(signal.SIGTERM)
    assert await replica.ended(timeout=2) == 1
    stage.postgres.thaw()
    await stage.start_replica()
    report = await stage.finish()
    assert report.is_clean, report


@long("the broker gives a worker up after missed heartbeats, 20 s")
async def test_a_worker_frozen_until_the_broker_gave_it_up_does_no_harm(calm_stage: Stage) -> None:
    frozen, other = [await calm_stage.start_replica() for _ in range(2)]
    publishing = asyncio.create_task(calm_stage.publish(12_000, rate=600))
    await calm_stage.probe()
    frozen.send(signal.SIGSTOP)
    await publishing
    frozen.send(signal.SIGCONT)
    await frozen.logged("broker.connected", since=1 + _line_of(frozen, "broker.connected"))
    await other.kill()
    await calm_stage.publish(500)
    report = await calm_stage.finish()
    assert report.is_clean, report


async def _count_redelivered(stage: Stage) -> int:
    """Return how many waiting events had been delivered before, and leave them in the queue."""
    taken: list[bool] = []

    async def take(message: AbstractIncomingMessage) -> None:
        taken.append(bool(message.redelivered))

    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        waiting = await count_ready(channel, stage.topology)
        await channel.set_qos(prefetch_count=waiting)
        for name in (stage.topology.write_queue.name, stage.topology.delete_queue.name):
            await (await channel.get_queue(name)).consume(take)
        while len(taken) < waiting:
            await asyncio.sleep(POLL_SECONDS)
    assert waiting, "nothing was left to look at"
    return sum(taken)


def _line_of(replica: Replica, event: str) -> int:
    return next(number for number, line in enumerate(replica.log) if line["event"] == event)
