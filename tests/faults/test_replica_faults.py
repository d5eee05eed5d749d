"""Replicas are started and stopped under load."""

import asyncio

from tests.support.selection import long
from tests.support.stage.stage import Stage


@long("eight replicas are started")
async def test_one_replica_becomes_eight_and_one_again_and_nothing_is_stale(calm_stage: Stage) -> None:
    enough = asyncio.Event()
    first = await calm_stage.start_replica()
    publishing = asyncio.create_task(calm_stage.publish_until(enough, rate=1000))
    others = await asyncio.gather(*(calm_stage.start_replica() for _ in range(7)))
    assert await asyncio.gather(*(replica.stop() for replica in others)) == [0] * 7, calm_stage.tails()
    enough.set()
    await publishing
    assert first.is_running
    report = await calm_stage.finish()
    assert report.is_clean, report
