"""`make chaos`: replicas, database and broker killed at random under load, and the books balanced afterwards."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Iterator
from math import inf
from time import monotonic, strftime
from typing import Final

from deploy.local.ports import LOOPBACK
from tests.faults.random_faults import KILL, RandomFaults
from tests.support.programs.busy import busy
from tests.support.servers.proxy import Proxy
from tests.support.stage.cuts import cut_everywhere
from tests.support.stage.history import Sent
from tests.support.stage.own_stage import own_stage
from tests.support.stage.stage import Stage
from tests.support.stage.stream import Mix

CHUNK: Final = 2_000
REST_SECONDS: Final = 0.1
MIX: Final = Mix(asks=0.05, invalid=0.01)


class Load:
    """An endless stream of events until it is over; the faults are spread over its first `events` publications."""

    def __init__(self, stage: Stage, events: int) -> None:
        self._stage = stage
        self._events = events
        self.published = 0
        self.is_over = False

    @property
    def share(self) -> float:
        """The share of the events that are published, 1.0 for all of them."""
        return self.published / self._events

    async def publish(self) -> None:
        """Publish until the load is over; return once every event is confirmed."""
        await self._stage.producer.publish(self._stream())

    def _stream(self) -> Iterator[Sent]:
        while True:
            for event in self._stage.events(CHUNK, MIX):
                if self.is_over:
                    return
                self.published += 1
                yield event


async def rage(faults: RandomFaults, load: Load, kills: int, minutes: float) -> None:
    """Cause faults, spread over the events, until all are published with enough kills, or time is up."""
    until = monotonic() + minutes * 60
    while (load.share < 1 or faults.done[KILL] < kills) and monotonic() < until:
        await asyncio.sleep(REST_SECONDS)
        if faults.done[KILL] <= load.share * kills:
            await faults.cause_one()
            print(progress(faults, load), file=sys.stderr, flush=True)
    load.is_over = True


def progress(faults: RandomFaults, load: Load) -> str:
    """Return one line with the events, kills and faults so far."""
    numbers = f"{load.published:>9,} events, {faults.done[KILL]:>5} kills, {faults.done.total():>5} faults"
    return f"{strftime('%H:%M:%S')} {numbers}"


async def run(stage: Stage, chosen: argparse.Namespace) -> bool:
    """Run the load and the faults, print the table, and return whether every promise was kept."""
    began = monotonic()
    await stage.prepare()
    load = Load(stage, chosen.events)
    async with RandomFaults(stage, chosen.replicas) as faults:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.publish())
            tasks.create_task(rage(faults, load, chosen.kills, chosen.minutes))
        faults.end_silence()
        report = await stage.finish()
    took = (
        f"{load.published:,} publications, {monotonic() - began:.0f} s, seed {stage.seed}, busy {chosen.busy}"
    )
    print("\n".join([*report.lines(), "", *faults.lines(), "", took]))
    print(report)
    return report.is_clean


async def cut_every_byte(stage: Stage) -> bool:
    """Cut each of a worker's connections after every byte of a batch's conversation; print the counts."""
    await stage.prepare()
    database, broker = Proxy(LOOPBACK, stage.postgres.port), Proxy(LOOPBACK, stage.rabbit.port)
    async with database, broker:
        await stage.start_replica(
            DATABASE_URL=stage.database_url(database.port), AMQP_URL=stage.amqp_url(broker.port)
        )
        cuts = {
            name: await cut_everywhere(stage, proxy, None)
            for name, proxy in (("PostgreSQL", database), ("RabbitMQ", broker))
        }
        report = await stage.finish()
    print("\n".join(f"connection to {name} cut {number} times" for name, number in cuts.items()))
    print(report)
    return report.is_clean


async def play(chosen: argparse.Namespace) -> bool:
    """Run on servers that leave nothing behind."""
    with busy(chosen.busy):
        async with own_stage(f"chaos_{chosen.seed}", chosen.seed) as stage:
            return await (cut_every_byte(stage) if chosen.cuts else run(stage, chosen))


def main() -> int:
    """Return 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**9), help="chooses events and faults"
    )
    parser.add_argument(
        "--events",
        type=int,
        default=120_000,
        help="publications, some of them repeats (120000)",
    )
    parser.add_argument(
        "--kills", type=int, default=200, help="the least number of killed workers (default: 200)"
    )
    parser.add_argument("--busy", type=int, default=0, help="busy processes beside it (default: 0)")
    parser.add_argument("--minutes", type=float, default=inf, help="end after this time (default: no limit)")
    parser.add_argument("--replicas", type=int, default=4, help="workers at a time (default: 4)")
    parser.add_argument("--cuts", action="store_true", help="instead: cut connections after every byte")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", file=sys.stderr)
    return 0 if asyncio.run(play(chosen)) else 1


if __name__ == "__main__":
    sys.exit(main())
