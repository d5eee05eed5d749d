"""`make bench`: measure everything in one run, on the same servers, and write the report."""

import argparse
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import uvloop

from deploy.local.instance import LOCAL, PROJECT
from tests.bench import feed, signing
from tests.bench.answering import answer
from tests.bench.earlier import compare, vars_of_pairs
from tests.bench.events import USUAL, make_events
from tests.bench.growth import grow
from tests.bench.latency import RATES, latencies
from tests.bench.machine import describe_machine
from tests.bench.measure import percentile
from tests.bench.peers.roster import THEIRS, Contestant, contestants, limits, worker_of
from tests.bench.report import write_report
from tests.bench.shapes import measure_shapes
from tests.bench.stand import Stand, open_stand
from tests.bench.storing import Stored, store

GROUPS: Final = ("storing", "latency", "answering", "growth", "shapes", "earlier", "feed", "signing")
"""In this order, because the last one makes the servers use TLS."""

Results = dict[str, Any]


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


async def measure_storing(
    stand: Stand, chosen: argparse.Namespace, everybody: list[Contestant]
) -> list[Results]:
    """Return each contestant's rounds, measured in turn, or the reason of its absence."""
    rounds: dict[str, list[dict[str, float | None]]] = {each.name: [] for each in everybody}
    for _ in range(chosen.rounds):
        for each in everybody:
            if each.missing is None:
                await stand.prepare(each.program)
                stored = await store(stand, each, make_events(chosen.events, size=chosen.size))
                rounds[each.name].append(stored.figures())
                say(f"  {each.name}: {stored.rate:,.0f} events/s, {stored.cpu:.1f} us an event")
    return [{"name": each.name, "missing": each.missing, "rounds": rounds[each.name]} for each in everybody]


async def measure_latency(stand: Stand, chosen: argparse.Namespace) -> list[Results]:
    """Return percentiles in milliseconds for each rate, to the commit and to the confirmation."""
    measured = []
    for rate in RATES[: 2 if chosen.quick else 3]:
        for confirmed in (False, True):
            await stand.prepare()
            times = await latencies(stand, rate, chosen.seconds, confirmed=confirmed)
            shares = {f"p{share * 100:g}": percentile(times, share) for share in (0.5, 0.99, 0.999)}
            measured.append({"rate": rate, "confirmed": confirmed, **shares})
            say(f"  {rate}/s {'confirmed' if confirmed else 'committed'}: {shares}")
    return measured


async def measure_answering(stand: Stand, chosen: argparse.Namespace) -> list[Results]:
    """Return each question's rounds."""
    measured = []
    for _ in range(chosen.rounds):
        await stand.prepare()
        for name, by_callers in (await answer(stand, chosen.questions)).items():
            for callers, answered in by_callers.items():
                shares = {f"p{share * 100:g}": percentile(answered.times, share) for share in (0.5, 0.99)}
                measured.append({"name": name, "callers": callers, "rate": answered.rate, **shares})
                say(f"  {name}, {callers} at a time: {answered.rate:,.0f}/s, {shares}")
    return measured


async def run(chosen: argparse.Namespace) -> Results:
    """Return all measures."""
    results: Results = {
        "machine": describe_machine(),
        "chosen": vars(chosen) | {"base": None, "earlier": None, "report": None},
    }
    if chosen.base:
        pair = [worker_of(), worker_of(PROJECT / chosen.base, "the base")]
        async with open_stand() as stand:
            return results | {"pair": await measure_storing(stand, chosen, pair)}
    async with open_stand() as stand:
        for name in chosen.only or GROUPS:
            if name == "earlier" and not chosen.earlier:
                continue
            say(name)
            results[name] = await groups_of(chosen)[name](stand)
    return results


def groups_of(chosen: argparse.Namespace) -> dict[str, Callable[[Stand], Awaitable[Any]]]:
    """Return the measures by their names."""
    return {
        "storing": lambda stand: measure_storing(stand, chosen, [*contestants(), *limits()]),
        "latency": lambda stand: measure_latency(stand, chosen),
        "answering": lambda stand: measure_answering(stand, chosen),
        "growth": lambda stand: grow(
            stand, [10**n for n in range(4, chosen.growth + 1)], chosen.events, chosen.rounds
        ),
        "shapes": lambda stand: measure_shapes(stand, chosen.events // 2),
        "earlier": lambda stand: compare(stand, PROJECT / chosen.earlier, chosen.events, chosen.rounds),
        "feed": lambda stand: measure_feed(stand, chosen),
        "signing": lambda stand: measure_signing(stand, chosen),
    }


async def measure_feed(stand: Stand, chosen: argparse.Namespace) -> Results:
    """Return the rounds without the changes feed, and with a feed without subscribers."""
    rounds: dict[str, list[Stored]] = {turn: [] for turn in feed.TURNS[:2]}
    for _ in range(chosen.rounds):
        for turn, stored in rounds.items():
            stored.append(await feed.measure(stand, turn, chosen.events))
    return vars_of_pairs(rounds)


async def measure_signing(stand: Stand, chosen: argparse.Namespace) -> Results:
    """Return the rounds of a plain worker, and of workers with signatures and TLS."""
    return vars_of_pairs(await signing.measure_on(stand, chosen.rounds, chosen.events))


def parse(words: list[str]) -> argparse.Namespace:
    """Return the options; `--quick` is a trial, and its figures do not count."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="measure only these groups")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=20_000, help="events a round")
    parser.add_argument(
        "--size", type=int, default=USUAL, help="bytes an event where contestants are compared"
    )
    parser.add_argument("--questions", type=int, default=3_000, help="questions a round")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each latency measure")
    parser.add_argument("--growth", type=int, default=6, help="the largest table, as a power of ten (rows)")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to try the program; its figures mean nothing"
    )
    parser.add_argument("--base", help="a checkout: compare the worker with that one alone")
    parser.add_argument("--earlier", help="a checkout of an earlier commit: compare with it too")
    parser.add_argument(
        "--report", type=Path, help="directory of the report; docs by default for a whole run"
    )
    chosen = parser.parse_args(words)
    if chosen.quick:
        chosen.rounds, chosen.events, chosen.questions, chosen.seconds, chosen.growth = 1, 600, 128, 1.0, 4
    is_whole = not (chosen.only or chosen.quick or chosen.base)
    chosen.report = chosen.report or (PROJECT / "docs" if is_whole else LOCAL / "bench-report")
    return chosen


def main(words: list[str]) -> None:
    """Measure, and write the report."""
    chosen = parse(words)
    directory: Path = chosen.report
    chosen.report, chosen.only = str(directory), chosen.only or []
    results = uvloop.run(run(chosen))
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "benchmarks.json"
    kept.write_text(json.dumps(results, indent=1, default=vars_of) + "\n")
    print(write_report(json.loads(kept.read_text()), directory / "benchmarks.md"))
    if (THEIRS / "python").exists() and not chosen.base:
        subprocess.run([THEIRS / "python", "-m", "tests.bench.plots", kept], cwd=PROJECT, check=True)


def vars_of(value: object) -> object:
    """Return a measure in a form that JSON can encode."""
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1:])
