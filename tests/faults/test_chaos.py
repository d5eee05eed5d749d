"""The faults of `make chaos`: each in turn, and busy processes that starve the machine."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.faults.random_faults import SILENT_BROKER, SILENT_DATABASE, WEIGHTS, RandomFaults
from tests.support.programs.busy import busy
from tests.support.selection import long
from tests.support.stage.stage import Stage


@long("each fault of `make chaos` in turn takes a minute; every one has its own test")
async def test_each_fault_of_the_long_run_is_caused_and_costs_nothing(stage: Stage) -> None:
    over = asyncio.Event()
    async with RandomFaults(stage, replicas=4) as faults:
        publishing = asyncio.create_task(stage.publish_until(over, rate=200))
        await stage.probe()
        for fault in WEIGHTS:
            await faults.cause(fault)
        over.set()
        await publishing
        faults.end_silence()
        report = await stage.finish()
    assert report.is_clean, report
    assert faults.done >= Counter(list(WEIGHTS))
    assert faults.silenced.keys() == {SILENT_DATABASE, SILENT_BROKER}
    assert all(faults.silenced.values()), faults.silenced


def test_busy_processes_run_until_the_end_of_the_block() -> None:
    with busy(2) as pids:
        assert all(_is_there(pid) for pid in pids)
    assert not any(_is_there(pid) for pid in pids)


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
