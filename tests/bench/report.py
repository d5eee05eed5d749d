"""The report: tables for people, made from the results."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.goals import GOALS, PROCESSES, ratios_to_first, whole_of
from tests.bench.measure import Spread

Results = dict[str, Any]
NOTES: Final = Path(__file__).with_name("notes.md")
Section = Callable[[Any], str]
HEAD: Final = """# Benchmarks

For people who compare or size: the worker beside its alternatives, on one machine.

All programs get the same events of {size:,} bytes on the same private servers, in turn in each round.
All events are in the queue before a round begins.
They are sessions with prose, objectives, a log and maps, drawn once from a seed.
Figures are medians of {rounds} rounds of {events:,} events; brackets have the lowest and the highest round.
CPU is processor time an event, in microseconds; "all three" is the sum of worker, RabbitMQ and PostgreSQL.
`make bench` measures again and writes this page.
`make bench BASE=<commit>` compares the worker with that of another commit.

![events a second](benchmarks-storing.svg)
"""


def write_report(results: Results, path: Path) -> str:
    """Write the report; returns its text."""
    chosen = results["chosen"]
    parts = [HEAD.format(rounds=chosen["rounds"], events=chosen["events"], size=chosen["size"])]
    sections: dict[str, Section] = {
        "pair": _storing,
        "storing": _storing,
        "latency": _latency,
        "answering": _answering,
        "growth": _growth,
        "shapes": _shapes,
        "earlier": _earlier,
        "feed": lambda measured: _paired("The changes feed", measured),
        "signing": lambda measured: _paired("Signatures and TLS", measured),
    }
    if "pair" not in results:
        parts.append(_goals(results))
    for name, section in sections.items():
        if name in results:
            parts.append(section(results[name]))
    parts.append(_machine(results["machine"]))
    if "pair" not in results:
        parts.append(NOTES.read_text())
    text = "\n".join(parts)
    path.write_text(text)
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _goals(results: Results) -> str:
    lines = [goal.line(results) for goal in GOALS]
    return "\n".join(
        ["## Goals\n", "| figure | goal | reached | |", "| --- | --- | ---: | --- |", *lines, ""]
    )


def _storing(measured: list[Results]) -> str:
    ours = _spread(measured[0], "rate").median if measured[0]["rounds"] else 0.0
    rows = [_contestant(each, ours) for each in measured]
    head = ["", "events/s", "ours is", "its CPU", "RabbitMQ", "PostgreSQL", "all three", "peak MB"]
    return "## Storing\n\n" + _table(head, rows)


def _contestant(each: Results, ours: float) -> list[str]:
    if each["missing"]:
        return [each["name"], f"absent: {each['missing']}", *[""] * 6]
    rate = _spread(each, "rate")
    costs = [_cost(each, name) for name in (*PROCESSES, "memory")]
    costs.insert(len(PROCESSES), _whole(each))
    spread = f"{rate.median:,.0f} ({rate.low:,.0f} to {rate.high:,.0f})"
    return [each["name"], spread, f"{ours / rate.median:.1f}x", *costs]


def _spread(each: Results, figure: str) -> Spread:
    return Spread.of([one[figure] for one in each["rounds"]])


def _whole(each: Results) -> str:
    """Return the processor time an event of all three processes, if all were measured."""
    wholes = [whole_of(one) for one in each["rounds"]]
    return f"{statistics.median(wholes):.0f}" if all(wholes) else ""


def _cost(each: Results, figure: str) -> str:
    values = [one[figure] for one in each["rounds"] if one[figure] is not None]
    return f"{statistics.median(values):.0f}" if values else ""


def _latency(measured: list[Results]) -> str:
    rows = [
        [
            f"{one['rate']:,}/s, to the {'confirmation' if one['confirmed'] else 'commit'}",
            *(f"{one[name]:.1f}" for name in ("p50", "p99", "p99.9")),
        ]
        for one in measured
    ]
    return "## Latency from publishing, in milliseconds\n\n" + _table(["", "p50", "p99", "p99.9"], rows)


def _answering(measured: list[Results]) -> str:
    rows = []
    for name, callers in dict.fromkeys((one["name"], one["callers"]) for one in measured):
        rounds = [one for one in measured if (one["name"], one["callers"]) == (name, callers)]
        middle = {
            figure: statistics.median(one[figure] for one in rounds) for figure in ("rate", "p50", "p99")
        }
        rows.append(
            [name, str(callers), f"{middle['rate']:,.0f}", f"{middle['p50']:.2f}", f"{middle['p99']:.2f}"]
        )
    return "## Answers\n\n" + _table(["", "at a time", "a second", "p50 ms", "p99 ms"], rows)


def _growth(measured: list[Results]) -> str:
    head = ["rows", "events/s", "read ms", "first page ms", "deep page ms", "count ms", "statistics ms"]
    names = ("read", "first_page", "deep_page", "count", "stats")
    rows = [
        [
            f"{one['rows']:,}",
            f"{one['rate']:,.0f}",
            *(f"{one[name]:.2f}" for name in names),
            f"{one['disk']:,.0f}",
            f"{one['wal']:,.0f}",
        ]
        for one in measured
    ]
    return "## Growth\n\n" + _table([*head, "disk bytes a row", "WAL bytes an event"], rows)


def _shapes(measured: Results) -> str:
    rows = [
        [
            name,
            f"{one['rate']:,.0f}",
            *(f"{one[cost]:.0f}" for cost in PROCESSES),
            f"{whole_of(one):.0f}",
            f"{one['memory']:.0f}",
        ]
        for name, one in measured.items()
    ]
    head = ["the worker with", "events/s", "its CPU", "RabbitMQ", "PostgreSQL", "all three", "peak MB"]
    return "## Other shapes\n\nOne round each.\n\n" + _table(head, rows)


def _earlier(measured: Results) -> str:
    rows = [
        [
            name,
            f"{_rate(pair['ours']).median:,.0f}",
            f"{_rate(pair['earlier']).median:,.0f}",
            _ratio(Spread.of([1 / each for each in ratios_to_first(pair, "earlier")])),
        ]
        for name, pair in measured.items()
    ]
    head = ["", "a second", "the earlier worker", "ours is, round by round"]
    return "## The earlier worker, in pairs\n\n" + _table(head, rows)


def _paired(title: str, measured: Results) -> str:
    rows = [
        [
            who,
            f"{_rate(rounds).median:,.0f}",
            _ratio(Spread.of(ratios_to_first(measured, who))),
            *(f"{statistics.median(one[name] for one in rounds):.0f}" for name in PROCESSES),
        ]
        for who, rounds in measured.items()
    ]
    head = ["", "events/s", "of the first, round by round", "its CPU", "RabbitMQ", "PostgreSQL"]
    return f"## {title}, in this run\n\n" + _table(head, rows)


def _rate(rounds: list[Results]) -> Spread:
    return Spread.of([one["rate"] for one in rounds])


def _ratio(spread: Spread) -> str:
    return f"{spread.median:.2f}x ({spread.low:.2f} to {spread.high:.2f})"


def _machine(described: dict[str, str]) -> str:
    return "## The machine\n\n" + _table(["", ""], [[name, value] for name, value in described.items()])
