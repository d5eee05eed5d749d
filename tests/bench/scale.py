"""`make bench-scale`: the costs of a three-node broker and a pooler, in turn on the same servers; medians."""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Final, Literal

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from contracts.topology import Topology
from deploy.local.instance import LOCAL
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.bench.events import Event, make_events
from tests.bench.measure import cpu_seconds
from tests.bench.writing import batch, rate, writing
from tests.support.servers.cluster import RabbitCluster
from tests.support.servers.pgbouncer import PgBouncer
from worker.broker.topology import declare_topology
from worker.store.migrations import migrate
from worker.store.pgbouncer import Pooler

PLACE: Final = LOCAL / "bench-scale"
AT_ONCE: Final = 500
ACKNOWLEDGED: Final = 100
BATCH: Final = 500
BATCHES: Final = 20
MODES: Final[tuple[Literal["session", "transaction"], ...]] = ("session", "transaction")
Row = tuple[str, float, float]


@contextmanager
def running(directory: Path) -> Iterator[dict[str, Sequence[RabbitServer]]]:
    """Yield a broker of one node and one of three, with the topology declared on each."""
    one, three = RabbitServer(directory / "rabbitmq"), RabbitCluster(directory / "cluster")
    with ExitStack() as stack:
        for server in (one, three):
            stack.callback(server.erase)
            server.start()
        brokers = {"one node": [one], "three nodes": three.nodes}
        for nodes in brokers.values():
            asyncio.run(declare_topology(nodes[0].url, Topology()))
        yield brokers


async def carry(nodes: Sequence[RabbitServer], events: Sequence[Event]) -> tuple[float, float]:
    """Return events a second and the nodes' CPU in µs an event, published with confirms, then consumed."""
    pids = [node.pid for node in nodes if node.pid]
    before, begun = cpu_seconds(pids), monotonic()
    async with opened(nodes[0].url) as channel:
        for at in range(0, len(events), AT_ONCE):
            await asyncio.gather(*(publish(channel, event) for event in events[at : at + AT_ONCE]))
        await consume(channel, len(events))
    took = monotonic() - begun
    return len(events) / took, (cpu_seconds(pids) - before) / len(events) * 1e6


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AbstractChannel]:
    """Yield a channel with confirms on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel(publisher_confirms=True)
    finally:
        await connection.close()


async def publish(channel: AbstractChannel, event: Event) -> None:
    """Return once the broker has confirmed the event."""
    properties = Basic.Properties(delivery_mode=2, message_id=event.event_id)
    await channel.basic_publish(
        event.body, exchange=Topology().sessions.name, routing_key="session.write", properties=properties
    )


async def consume(channel: AbstractChannel, number: int) -> None:
    """Return once `number` events were delivered and acknowledged."""
    seen, over = 0, asyncio.Event()

    async def take(message: DeliveredMessage) -> None:
        nonlocal seen
        seen += 1
        if seen % ACKNOWLEDGED == 0 or seen == number:
            await channel.basic_ack(message.delivery_tag or 0, multiple=True)
        if seen == number:
            over.set()

    await channel.basic_qos(prefetch_count=1000)
    consumer = await channel.basic_consume(Topology().write_queue.name, take)
    await over.wait()
    await channel.basic_cancel(str(consumer.consumer_tag))


def measure_brokers(rounds: int, number: int) -> list[Row]:
    """Return events a second and µs of CPU an event of both brokers."""
    found: dict[str, list[tuple[float, float]]] = {}
    with running(PLACE) as brokers:
        for _ in range(rounds):
            for name, nodes in brokers.items():
                found.setdefault(name, []).append(asyncio.run(carry(nodes, make_events(number))))
    return [(name, median(r for r, _ in each), median(c for _, c in each)) for name, each in found.items()]


def measure_poolers(rounds: int) -> list[Row]:
    """Return events a second of a writer by each way to the database, and the ratio to the direct way."""
    postgres = PostgresServer(PLACE / "postgres")
    bouncers = {mode: PgBouncer(PLACE / f"pgbouncer-{mode}", postgres, mode) for mode in MODES}
    with ExitStack() as stack:
        servers: list[PostgresServer | PgBouncer] = [postgres, *bouncers.values()]
        for server in servers:
            stack.callback(server.erase)
            server.start()
        asyncio.run(migrate(postgres.create_database("bench")))
        ways: list[tuple[str, Pooler, str]] = [("direct", "none", postgres.url_of("bench"))]
        ways += [(f"PgBouncer, {mode} mode", mode, bouncers[mode].url_of("bench")) for mode in MODES]
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, pooler, url in ways:
                found.setdefault(name, []).append(asyncio.run(write(url, pooler)))
    shares = {
        name: median(map(ratio, zip(each, found["direct"], strict=True))) for name, each in found.items()
    }
    return [(name, median(each), shares[name]) for name, each in found.items()]


async def write(url: str, pooler: Pooler) -> float:
    """Return the events stored a second."""
    async with writing(url, pooler=pooler) as writer:
        return await rate(writer, [batch(BATCH) for _ in range(BATCHES)])


def ratio(pair: tuple[float, float]) -> float:
    """Return the ratio of the first to the second."""
    return pair[0] / pair[1]


def table(head: tuple[str, str, str], rows: Iterable[Row]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {name} | {a:,.0f} | {b:.3g} |" for name, a, b in rows)])


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each (default: 7)")
    parser.add_argument("--events", type=int, default=10_000, help="a round of a broker (default: 10,000)")
    chosen = parser.parse_args()
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    brokers = measure_brokers(chosen.rounds, chosen.events)
    print(table(("the broker", "events/s, in and out", "its CPU an event, µs"), brokers))
    print(table(("to the database", "events/s", "of direct, by pairs"), measure_poolers(chosen.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
