"""`make rolling`: three replicas restarted one after the other under load, as systemd or Kubernetes would."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

from contracts.client import SessionStore, SessionStoreError
from deploy.local.rabbitmq import RabbitServer
from tests.support.stage.history import Sent
from tests.support.stage.own_stage import own_stage
from tests.support.stage.stage import Stage
from tests.support.stage.verdict import Report

REPLICAS: Final = 3
CALLERS: Final = 4
CALL_PAUSE_SECONDS: Final = 0.02
REDELIVERED: Final = (
    "lists:sum([maps:get(messages_redelivered_total, Counted, 0)"
    " || Counted <- maps:values(rabbit_global_counters:overview())])."
)


@dataclass(slots=True)
class Rolled:
    """The figures of a run; times are in seconds."""

    restarts: int = 0
    published: int = 0
    rate: float = 0.0
    stops: float = 0.0
    longest_stop: float = 0.0
    redelivered: int = 0
    calls: int = 0
    failed: int = 0
    slowest_call: float = 0.0
    failures: str = ""

    def lines(self) -> list[str]:
        """Return a line for each figure."""
        return [
            f"{'restarts':<22}{self.restarts:>9}",
            f"{'events published':<22}{self.published:>9}",
            f"{'events a second':<22}{self.rate:>9.0f}",
            f"{'redelivered':<22}{self.redelivered:>9}",
            f"{'calls':<22}{self.calls:>9}",
            f"{'calls failed':<22}{self.failed:>9}  {self.failures}",
            f"{'slowest call':<22}{self.slowest_call:>9.2f} s",
            f"{'mean stop':<22}{self.stops / max(1, self.restarts):>9.2f} s",
            f"{'longest stop':<22}{self.longest_stop:>9.2f} s",
        ]


def count_redelivered(rabbit: RabbitServer) -> int:
    """Return the broker's own count of repeated deliveries, of all queues, since its start."""
    return int(rabbit.ctl("eval", REDELIVERED).strip())


class Rolling:
    """Load, callers and restarts on one stage, and their figures."""

    def __init__(self, stage: Stage, rate: float, *, surge: bool) -> None:
        self._stage = stage
        self._rate = rate
        self._surge = surge
        self.rolled = Rolled()

    async def roll(self, restarts: int) -> Report:
        """Return the judge's verdict after these restarts under load; each worker must end with status 0."""
        stage, over = self._stage, asyncio.Event()
        await asyncio.gather(*(stage.start_replica() for _ in range(REPLICAS)))
        before = await asyncio.to_thread(count_redelivered, stage.rabbit)
        store = SessionStore(stage.rabbit.url, prefix=stage.topology.prefix)
        async with store, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish(over))
            for number in range(CALLERS):
                tasks.create_task(self._call(store, number, over))
            await self._restart(restarts)
            over.set()
        report = await stage.finish()
        self.rolled.redelivered = await asyncio.to_thread(count_redelivered, stage.rabbit) - before
        return report

    async def _restart(self, restarts: int) -> None:
        """Restart the oldest replica each time; with `surge` the new one starts before the old one stops."""
        for number in range(restarts):
            oldest = self._stage.running[0]
            if self._surge:
                await self._stage.start_replica()
            began = monotonic()
            assert await oldest.stop() == 0, oldest.tail()
            took = monotonic() - began
            self.rolled.stops += took
            self.rolled.longest_stop = max(self.rolled.longest_stop, took)
            if not self._surge:
                await self._stage.start_replica()
            self.rolled.restarts += 1
            print(f"{number + 1:>4} restarts, {took:5.2f} s to stop", file=sys.stderr, flush=True)

    async def _publish(self, over: asyncio.Event) -> None:
        began = monotonic()
        await self._stage.producer.publish(self._events_until(over), self._rate)
        self.rolled.rate = self.rolled.published / (monotonic() - began)

    def _events_until(self, over: asyncio.Event) -> Iterator[Sent]:
        for event in self._stage.events(sys.maxsize):
            if over.is_set():
                return
            self.rolled.published += 1
            yield event

    async def _call(self, store: SessionStore, number: int, over: asyncio.Event) -> None:
        while not over.is_set():
            began = monotonic()
            try:
                await (store.count() if self.rolled.calls % 2 else store.read(f"nobody_{number}"))
            except SessionStoreError as error:
                self.rolled.failed += 1
                self.rolled.failures = repr(error)
            self.rolled.calls += 1
            self.rolled.slowest_call = max(self.rolled.slowest_call, monotonic() - began)
            await asyncio.sleep(CALL_PAUSE_SECONDS)


async def play(chosen: argparse.Namespace) -> bool:
    """Print the figures; return whether nothing was redelivered, no call failed and promises were kept."""
    async with own_stage("rolling", chosen.seed) as stage:
        await stage.prepare()
        rolling = Rolling(stage, chosen.rate, surge=chosen.surge)
        report = await rolling.roll(chosen.restarts)
        print("\n".join([*report.lines(), "", *rolling.rolled.lines(), "", f"seed {stage.seed}"]))
        print(report)
        return report.is_clean and not rolling.rolled.redelivered and not rolling.rolled.failed


def main() -> int:
    """Return 0 when nothing was redelivered, no call failed, and every promise was kept."""
    parser = argparse.ArgumentParser(prog="make rolling", description=__doc__)
    parser.add_argument("--restarts", type=int, default=100, help="of one replica each (default: 100)")
    parser.add_argument("--rate", type=float, default=1000, help="events a second (default: 1000)")
    parser.add_argument("--surge", action="store_true", help="start the new one before the old one stops")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="chooses the events")
    return 0 if asyncio.run(play(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
