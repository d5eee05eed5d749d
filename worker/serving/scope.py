"""One session to the broker, until it is lost or the worker stops."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from worker.broker.intake import Intake
from worker.broker.session import BrokerSession
from worker.errors import BrokerUnavailable
from worker.retry import sleep_unless_stopped

CANCEL_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 0.2  # a closed channel forgets acknowledgements that a quorum queue has not taken yet

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionScope:
    """A session to the broker, and the event that ends its use."""

    broker: BrokerSession
    stop: asyncio.Event

    @property
    def is_over(self) -> bool:
        """Whether the session is lost or the worker stops."""
        return self.stop.is_set() or self.broker.lost.done()

    async def sleep(self, seconds: float) -> bool:
        """Wait, but no longer than the scope; return whether the scope continues."""
        return await sleep_unless_stopped(self.stop, seconds, self.broker.lost)

    async def open_intake(
        self, queues: Sequence[str], prefetch: int, priority_prefetch: int = 0, *, by_bytes: bool = False
    ) -> Intake | None:
        """Return a started intake, as `BrokerSession.open_intake`.

        None when the scope is over, also because the intake could not be opened.
        """
        if self.is_over:
            return None
        try:
            return await self.broker.open_intake(queues, prefetch, priority_prefetch, by_bytes=by_bytes)
        except BrokerUnavailable as error:
            self.broker.mark_lost(str(error))
            return None

    async def run(self, intake: Intake, work: Coroutine[None, None, T], *, hold: bool = True) -> T:
        """Return the result of `work`, which runs to the end of the intake; a stop cancels the intake's consumers.

        `hold` as in `Intake.stop`.
        """
        async with asyncio.TaskGroup() as tasks:
            stopper = tasks.create_task(self._cancel_on_stop(intake, hold))
            result = await work
            stopper.cancel()
        if self.stop.is_set() and intake.is_open:
            await asyncio.sleep(FLUSH_SECONDS)
        return result

    def end(self, intake: Intake) -> None:
        """Declare the session lost after the end of an intake that no stop has brought about."""
        if not self.stop.is_set():
            self.broker.mark_lost(intake.lost.result() if intake.lost.done() else "the intake ended")

    async def _cancel_on_stop(self, intake: Intake, hold: bool) -> None:
        await self.stop.wait()
        await intake.stop(CANCEL_SECONDS, hold=hold)
