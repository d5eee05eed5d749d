"""`make chaos`: replicas, database and broker killed at random under load, and the books balanced afterwards."""

import argparse
import asyncio
import random
import secrets
import sys
from collections import Counter
from time import monotonic
from typing import Final

from deploy.local.ports import LOOPBACK
from tests.support.servers.proxy import Proxy
from tests.support.stage.cuts import cut_everywhere
from tests.support.stage.own_stage import own_stage
from tests.support.stage.stage import Stage
from tests.support.stage.stream import Mix

CHUNK: Final = 2_000
TERMINATE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store_worker'"
)
FAULTS: Final = {
    "worker killed": 100,
    "database killed": 2,
    "database restarted at once": 2,
    "broker killed": 2,
    "backends terminated": 4,
    "broker closed all connections": 2,
}


class Chaos:
    """Does one thing after the other to an installation, as the seed has it, and counts."""

    def __init__(self, stage: Stage, replicas: int) -> None:
        self._stage = stage
        self._replicas = replicas
        self._draw = random.Random(stage.seed)
        self.done: Counter[str] = Counter()

    async def rage(self, enough: asyncio.Event, kills: int) -> None:
        """Cause faults until the load is over and there were enough kills of workers."""
        while not enough.is_set() or self.done["worker killed"] < kills:
            await asyncio.sleep(self._draw.uniform(0.1, 0.5))
            (fault,) = self._draw.choices(list(FAULTS), list(FAULTS.values()))
            await self._cause(fault)
            self.done[fault] += 1
            await self.replenish()

    async def replenish(self) -> None:
        """Have as many replicas running, or on their way, as there should be."""
        while len(self._stage.running) < self._replicas:
            await self._stage.start_replica(ready=False)

    async def _cause(self, fault: str) -> None:
        postgres, rabbit = self._stage.postgres, self._stage.rabbit
        match fault:
            case "worker killed":
                await self._draw.choice(self._stage.running).kill()
            case "database killed":
                await asyncio.to_thread(postgres.kill)
                await asyncio.to_thread(postgres.start)
            case "database restarted at once":
                await asyncio.to_thread(postgres.restart, "immediate")
            case "broker killed":
                await asyncio.to_thread(rabbit.kill)
                await asyncio.to_thread(rabbit.start)
                self._stage.producer.follow(rabbit.url)
            case "backends terminated":
                await asyncio.to_thread(postgres.psql, TERMINATE)
            case "broker closed all connections":
                await asyncio.to_thread(rabbit.ctl, "close_all_connections", "chaos")


async def run(stage: Stage, chosen: argparse.Namespace) -> bool:
    """Return whether every promise was kept; prints the table."""
    began = monotonic()
    await stage.prepare()
    chaos, enough = Chaos(stage, chosen.replicas), asyncio.Event()
    await chaos.replenish()
    raging = asyncio.create_task(chaos.rage(enough, chosen.kills))
    published = 0
    while not raging.done():
        await stage.producer.publish(stage.events(CHUNK, Mix(asks=0.05, invalid=0.01)))
        published += CHUNK
        if published >= chosen.events:
            enough.set()
        print(f"{published:>8,} events, {sum(chaos.done.values()):>4} faults", file=sys.stderr, flush=True)
    await raging
    report = await stage.finish()
    figures = [f"{fault:<30}{number:>6}" for fault, number in sorted(chaos.done.items())]
    print("\n".join([*report.lines(), "", *figures, "", f"seed {stage.seed}, {monotonic() - began:.0f} s"]))
    print(report)
    return report.is_clean


async def cut_every_byte(stage: Stage) -> bool:
    """Cut each of a worker's connections after every byte of a batch's conversation; prints how often."""
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
    async with own_stage("chaos", chosen.seed) as stage:
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
    parser.add_argument("--kills", type=int, default=200, help="at least so many of workers (default: 200)")
    parser.add_argument("--replicas", type=int, default=4, help="at a time (default: 4)")
    parser.add_argument("--cuts", action="store_true", help="instead: cut connections after every byte")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", file=sys.stderr)
    return 0 if asyncio.run(play(chosen)) else 1


if __name__ == "__main__":
    sys.exit(main())
