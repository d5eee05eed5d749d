"""How consumers leave a quorum queue without a redelivery.

When a consumer cancels, a quorum queue requeues the messages in transit to it and counts them as redelivered
(rabbitmq/rabbitmq-server#3729). Once the consumer's prefetch is used up nothing is in transit, nor is there after the
queue has been silent for a while.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from aiormq.abc import AbstractChannel

from worker.broker.consumer import Consumer

FULL_SECONDS: Final = 3.5
SPARE_SECONDS: Final = 1.5
POLL_SECONDS: Final = 0.02


class Leaving:
    """Cancels the consumers of one channel while `is_open` returns True; raises the channel's errors."""

    def __init__(
        self,
        channel: AbstractChannel,
        consumers: Sequence[Consumer],
        is_open: Callable[[], bool],
        timeout: float,
    ) -> None:
        self._channel = channel
        self._consumers = list(consumers)
        self._is_open = is_open
        self._timeout = timeout

    async def cancel_idle_spares(self) -> None:
        """Cancel each spare consumer that its queue has no use for, after 1.5 s at most."""
        deadline = monotonic() + SPARE_SECONDS
        for consumer in [each for each in self._consumers if each.primary]:
            await self._wait_until(consumer.is_idle_spare, deadline)
            if consumer.is_idle_spare():
                await self._cancel(consumer)

    async def cancel_when_full(self) -> None:
        """Cancel each consumer once nothing is in transit to it, or after 3.5 s.

        For that the caller must hold acknowledgements back, so that the prefetch is used up.
        """
        deadline = monotonic() + FULL_SECONDS
        for consumer in list(self._consumers):
            await self._wait_until(consumer.can_cancel, deadline)
            await self._cancel(consumer)

    async def cancel_all(self) -> None:
        """Cancel each consumer at once."""
        for consumer in list(self._consumers):
            await self._cancel(consumer)

    async def _cancel(self, consumer: Consumer) -> None:
        await self._channel.basic_cancel(consumer.tag, timeout=self._timeout)
        self._consumers.remove(consumer)

    async def _wait_until(self, is_so: Callable[[], bool], deadline: float) -> None:
        while self._is_open() and not is_so() and monotonic() < deadline:  # noqa: ASYNC110 - time changes it too
            await asyncio.sleep(POLL_SECONDS)
