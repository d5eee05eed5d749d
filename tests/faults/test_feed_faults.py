"""Each committed change is published at least once, and nothing else, whatever is killed meanwhile."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldValue

from contracts.client import SessionStore
from tests.faults.test_status import Status
from tests.support.selection import long
from tests.support.stage.aftermath import read_tables
from tests.support.stage.feed import Listener, Told, judge_feed
from tests.support.stage.mirror import Mirror
from tests.support.stage.stage import POLL_SECONDS, Stage
from tests.support.stage.stream import Mix
from worker.broker.topology import declare_topology
from worker.failpoint import Failpoint

ON = {"SESSION_STORE_CHANGES_FEED": "true"}
SESSION = {"playerId": "player_1", "encounter": {}, "state": {}, "startedAt": "2025-11-07T10:30:00.000Z"}
UNCOMMITTED = long("nothing is committed there; workers without a feed die there in each change")
LIVELY = Mix(conditional=0.1, deletes=0.25)


@pytest.fixture
async def listener(stage: Stage) -> Listener:
    """Return a listener that was started before the first event."""
    listener = Listener(stage.rabbit.url, stage.topology)
    await listener.listen()
    await asyncio.to_thread(stage.rabbit.sync)
    return listener


async def assert_told(stage: Stage, listener: Listener) -> list[Told]:
    """Assert that every promise was kept, the feed's too; return the published changes."""
    report = await stage.finish()
    assert report.is_clean, report
    ledger, rows = await read_tables(stage.postgres.url_of(stage.database))
    told = await listener.take()
    assert ledger
    assert judge_feed(stage.history, told, ledger, rows) == []
    return told


@pytest.mark.parametrize(
    "point",
    [
        Failpoint.AFTER_COMMIT,
        Failpoint.BEFORE_ACKNOWLEDGE,
        *(pytest.param(each, marks=UNCOMMITTED) for each in (Failpoint.BEFORE_COMMIT, Failpoint.MID_BATCH)),
    ],
)
async def test_a_worker_that_dies_at_a_point_of_a_batch_leaves_nothing_untold(
    stage: Stage, listener: Listener, point: Failpoint
) -> None:
    doomed = [await stage.start_replica(ON, SESSION_STORE_FAILPOINT=f"{point}:{turn}") for turn in (1, 3)]
    await stage.publish(600)
    publishing = asyncio.create_task(stage.producer.publish(stage.events(1200, LIVELY)))
    assert [await replica.ended() for replica in doomed] == [-signal.SIGKILL] * 2
    await stage.start_replica(ON)
    await publishing
    await assert_told(stage, listener)


async def test_what_was_committed_before_a_crash_is_told_after_it(stage: Stage, listener: Listener) -> None:
    doomed = await stage.start_replica(ON, SESSION_STORE_FAILPOINT=Failpoint.AFTER_COMMIT)
    probe = stage.make_probe()
    asking = asyncio.create_task(stage.producer.ask(probe))
    await doomed.ended()
    await stage.start_replica(ON)
    assert (await asking).outcome == "duplicate"
    told = await assert_told(stage, listener)
    assert {each.key for each in told} == {probe.key}


@long("many workers are started; each point of a batch is tried by each change")
async def test_workers_killed_at_random_moments_leave_nothing_untold(
    stage: Stage, listener: Listener, draw: random.Random
) -> None:
    for _ in range(3):
        await stage.start_replica(ON)
    publishing = asyncio.create_task(stage.publish(6000, rate=1000))
    while not publishing.done():
        await asyncio.sleep(draw.uniform(0.1, 0.5))
        await draw.choice(stage.running).kill()
        await stage.start_replica(ON, ready=False)
    await publishing
    await assert_told(stage, listener)


@pytest.mark.parametrize(
    "how", ["kill", pytest.param("stop", marks=long("a broker that is killed is tried by each change"))]
)
async def test_a_broker_that_goes_and_comes_back_leaves_nothing_untold(
    stage: Stage, listener: Listener, how: str
) -> None:
    for _ in range(2):
        await stage.start_replica(ON)
    async with stage.load(rate=1000):
        await stage.probe()
        if how == "kill":
            await asyncio.to_thread(stage.rabbit.restart, "kill")
        else:
            await asyncio.to_thread(stage.rabbit.ctl, "stop_app")
            await asyncio.to_thread(stage.rabbit.ctl, "start_app")
        await stage.probe()
    await assert_told(stage, listener)


async def test_while_a_full_queue_refuses_the_feed_events_wait_and_the_worker_is_not_ready(
    stage: Stage, listener: Listener
) -> None:
    replica = await stage.start_replica(ON)
    status = await Status.of(replica)
    full: dict[str, FieldValue] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    async with broker_channel(stage) as channel:
        queue = await channel.declare_queue(f"{stage.topology.prefix}full", arguments=full)
        await queue.bind(stage.topology.changes.name, "#")
        await stage.publish(300)
        await replica.logged("changes.retrying")
        while (why := (await status.readiness())[1].get("changes")) is None:
            await asyncio.sleep(POLL_SECONDS)
        assert "the broker refuses the changes feed" in why
        assert await status.metric('session_store_not_ready{part="changes"}') == 1
        await queue.delete(if_unused=False, if_empty=False)
    await status.until_ready(ready=True)
    await stage.probe()
    assert await status.metric('session_store_changes_total{type="session.stored"}') > 0
    told = await assert_told(stage, listener)
    assert len(told) > len({(each.session_id, each.key) for each in told}), (
        "nothing was refused and told again"
    )
    assert replica.count("broker.connected") == 1, replica.tail()


async def test_without_its_exchange_a_worker_is_not_ready_and_tells_all_once_it_is_there(
    stage: Stage, listener: Listener
) -> None:
    replica = await stage.start_replica(ON)
    status = await Status.of(replica)
    async with broker_channel(stage) as channel:
        await channel.exchange_delete(stage.topology.changes.name)
    await stage.publish(200)
    await status.until_ready(ready=False)
    gone = await replica.logged("broker.unavailable")
    assert f"{stage.topology.changes.name} is missing" in gone["reason"]
    await declare_topology(stage.rabbit.url, stage.topology)
    await listener.listen()
    await status.until_ready(ready=True)
    assert await assert_told(stage, listener)


@long("the broker looks at its memory now and then")
async def test_a_broker_short_of_memory_holds_the_feed_and_nothing_is_lost(
    stage: Stage, listener: Listener
) -> None:
    replica = await stage.start_replica(ON)
    await stage.probe()
    await asyncio.to_thread(stage.rabbit.ctl, "set_vm_memory_high_watermark", "absolute", "1")
    publishing = asyncio.create_task(stage.publish(300))
    await asyncio.sleep(2)
    await asyncio.to_thread(stage.rabbit.ctl, "set_vm_memory_high_watermark", "0.4")
    await publishing
    await assert_told(stage, listener)
    assert replica.count("broker.connected") == 1, replica.tail()


async def test_an_erasure_that_a_worker_died_over_is_told_by_the_next(
    stage: Stage, listener: Listener
) -> None:
    names = {f"erased_{number}" for number in range(5)}
    first = await stage.start_replica(ON)
    async with SessionStore(stage.rabbit.url, prefix=stage.topology.prefix, timeout=60) as store:
        for name in names:
            await store.write({**SESSION, "sessionId": name})
        await first.stop()
        doomed = await stage.start_replica(ON, SESSION_STORE_FAILPOINT=Failpoint.BEFORE_ACKNOWLEDGE)
        erasing = asyncio.create_task(store.erase_player("player_1"))
        assert await doomed.ended() == -signal.SIGKILL
        last = await stage.start_replica(ON)
        await erasing
        await last.logged("player.erased")
    told = Counter(each.session_id for each in await listener.take() if not each.is_stored)
    assert told.keys() == names
    assert min(told.values()) >= 2, "by the one that died, and by the next"


@long("workers are killed for half a minute; each point of a batch is tried by each change")
@pytest.mark.parametrize("queue", [None, "mirror"], ids=["a queue that goes with the client", "mirror"])
async def test_a_mirror_that_follows_through_restarts_ends_as_what_is_stored(
    stage: Stage, listener: Listener, draw: random.Random, queue: str | None
) -> None:
    name = queue and f"{stage.topology.prefix}{queue}"
    for _ in range(2):
        await stage.start_replica(ON)
    async with SessionStore(stage.rabbit.url, prefix=stage.topology.prefix) as store:
        mirror = Mirror()
        following = asyncio.create_task(mirror.follow(store, name))
        await mirror.has_begun.wait()
        publishing = asyncio.create_task(stage.publish(4000, rate=1000))
        for turn in range(4):
            await asyncio.sleep(draw.uniform(0.3, 0.8))
            await draw.choice(stage.running).kill()
            await stage.start_replica(ON, ready=False)
            if turn == 1:
                await asyncio.to_thread(stage.rabbit.ctl, "close_all_connections", "test")
        await publishing
        await mirror.until(lambda: name is not None or mirror.gaps > 1)
        await stage.publish(500)
        await assert_told(stage, listener)
        _, rows = await read_tables(stage.postgres.url_of(stage.database))
        await mirror.until(lambda: mirror.sessions and not mirror.differing(rows))
        following.cancel()
    assert mirror.gaps > 1 if name is None else mirror.gaps == 1


@asynccontextmanager
async def broker_channel(stage: Stage) -> AsyncIterator[AbstractChannel]:
    """Yield a channel of the test's own."""
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        yield channel
