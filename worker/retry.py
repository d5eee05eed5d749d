"""Trying again while a server is away: how long to wait between attempts, and when to give up."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

Sleep = Callable[[float], Awaitable[bool]]
"""Waits for at most so many seconds, and returns whether another attempt is wanted."""


@dataclass(slots=True)
class Backoff:
    """Exponential, with full jitter so that replicas do not come back in step; all in seconds.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter: the wait is drawn between
    nothing and a ceiling that doubles, but never less than a quarter of `first`, so that no loop spins.
    """

    first: float = 0.2
    limit: float = 5.0
    failures: int = 0

    @classmethod
    def short(cls) -> Self:
        """Return waits that grow from 0.05 s to 2 s, for work with a waiting caller."""
        return cls(first=0.05, limit=2.0)

    def next(self) -> float:
        """Count a failure and return the seconds to wait after it."""
        ceiling = min(self.limit, self.first * 2 ** min(self.failures, 16))
        self.failures += 1
        return max(self.first / 4, random.uniform(0, ceiling))  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """Forget the failures after a success."""
        self.failures = 0


def ignore_failure(_error: Exception, _failures: int) -> None:
    """Do nothing."""


async def retry(
    attempt: Callable[[], Awaitable[T]],
    on: type[E] | tuple[type[E], ...],
    sleep: Sleep,
    *,
    backoff: Backoff | None = None,
    on_failure: Callable[[E, int], None] = ignore_failure,
) -> T:
    """Return the result of the first attempt that does not raise an error of the type `on`.

    `on_failure` gets each error and the number of failures so far. Raises the last error once `sleep` returns
    False. Without a `backoff` the waits are short ones.
    """
    waits = backoff or Backoff.short()
    while True:
        try:
            return await attempt()
        except on as error:
            seconds = waits.next()
            on_failure(error, waits.failures)
            if not await sleep(seconds):
                raise


async def sleep_always(seconds: float) -> bool:
    """Wait, and return True."""
    await asyncio.sleep(seconds)
    return True


def within(patience: float, sleep: Sleep = sleep_always) -> Sleep:
    """Return a `sleep` that returns False at once when more than `patience` seconds have passed since now."""
    until = monotonic() + patience

    async def sleep_within(seconds: float) -> bool:
        return monotonic() <= until and await sleep(seconds)

    return sleep_within


async def sleep_unless_stopped(stop: asyncio.Event, seconds: float, *ended: "asyncio.Future[Any]") -> bool:
    """Wait until the time is over, `stop` is set or one of `ended` is done; return whether the time is over."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait((stopping, *ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    return not done
