"""The cost of the changes feed: `python -m tests.bench.feed`, one worker with and without it, in turn."""

import argparse
import sys
from dataclasses import replace
from typing import Final

import uvloop

from tests.bench.events import make_events
from tests.bench.measure import Spread
from tests.bench.peers.roster import Contestant, worker_of
from tests.bench.stand import Stand, open_stand
from tests.bench.storing import Stored, store

QUEUE: Final = "bench.changes"
ON: Final = {"SESSION_STORE_CHANGES_FEED": "true"}
TURNS: Final = ("off", "on, nobody follows", "on, one queue takes all")


async def measure(stand: Stand, turn: str, number: int) -> Stored:
    """Return one turn's figures."""
    await stand.prepare()
    worker = worker_of() if turn == TURNS[0] else _with_feed()
    async with stand.channel() as channel:
        if turn == TURNS[2]:
            await channel.queue_declare(QUEUE, durable=True)
            await channel.queue_bind(QUEUE, stand.topology.changes.name, "#")
        try:
            return await store(stand, worker, make_events(number))
        finally:
            await channel.queue_delete(QUEUE)


async def run(chosen: argparse.Namespace) -> None:
    """Print every turn's rate, and at the end the median and the spread of each kind."""
    rounds: dict[str, list[Stored]] = {turn: [] for turn in TURNS}
    async with open_stand() as stand:
        for _ in range(chosen.rounds):
            for turn in TURNS:
                rounds[turn].append(await measure(stand, turn, chosen.events))
                print(f"  {turn}: {rounds[turn][-1].rate:,.0f} events/s", file=sys.stderr, flush=True)
    print("| feed | events/s | of it off, round by round | its CPU, µs | RabbitMQ's |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for turn, stored in rounds.items():
        rate = Spread.of([each.rate for each in stored])
        ratio = Spread.of([each.rate / off.rate for each, off in zip(stored, rounds[TURNS[0]], strict=True)])
        cpu, rabbit = (Spread.of([getattr(each, name) for each in stored]) for name in ("cpu", "rabbitmq"))
        print(
            f"| {turn} | {rate.median:,.0f} ({rate.low:,.0f} to {rate.high:,.0f}) | {ratio.median:.2f}x"
            f" ({ratio.low:.2f} to {ratio.high:.2f}) | {cpu.median:.0f} | {rabbit.median:.0f} |"
        )


def _with_feed() -> Contestant:
    return replace(worker_of(), settings=ON)


def main(words: list[str]) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.feed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=20_000, help="events a turn")
    uvloop.run(run(parser.parse_args(words)))


if __name__ == "__main__":
    main(sys.argv[1:])
