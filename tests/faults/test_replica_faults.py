"""Replicas come and go under load."""

import asyncio

from tests.support.stage.stage import Stage


async def test_one_replica_becomes_eight_and_one_again_and_nothing_is_stale(stage: Stage) -> None:
    enough = asyncio.Event()
    first = await stage.start_replica()
    publishing = asyncio.create_task(_publish_until(stage, enough))
    others = await asyncio.gather(*(stage.start_replica() for _ in range(7)))
    assert await asyncio.gather(*(replica.stop() for replica in others)) == [0] * 7, stage.tails()
    enough.set()
    await publishing
    assert first.is_running
    report = await stage.finish()
    assert report.is_clean, report


async def _publish_until(stage: Stage, enough: asyncio.Event) -> None:
    while not enough.is_set():
        await stage.publish(500, rate=1000)
