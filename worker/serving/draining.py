"""Runs what takes from an intake to its end, which a stop brings about."""

import asyncio
from collections.abc import Coroutine
from typing import Final

from worker.broker.intake import Intake

CANCEL_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = (
    0.2  # a closed channel forgets acknowledgements that a quorum queue has not taken yet
)


async def until_stopped(
    intake: Intake, running: Coroutine[None, None, None], stop: asyncio.Event, *, hold: bool = True
) -> None:
    """Run to the end of the intake, which a stop brings about by cancelling its consumers (`Intake.stop`)."""

    async def cancel_on_stop() -> None:
        await stop.wait()
        await intake.stop(CANCEL_SECONDS, hold=hold)

    async with asyncio.TaskGroup() as tasks:
        stopper = tasks.create_task(cancel_on_stop())
        await running
        stopper.cancel()
    if stop.is_set() and intake.is_open:
        await asyncio.sleep(GOODBYE_SECONDS)
