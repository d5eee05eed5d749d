"""The goals, and whether they were reached."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.earlier import PAGES_NAME, name_of

Results = dict[str, Any]


WHOLE: Final = 1_000
"""The smallest figure that is printed without a fraction."""

QUERY: Final = "session.query, 100 records"
PROCESSES: Final = ("cpu", "rabbitmq", "postgres")
"""The figures of processor time an event: of the worker and of the two servers."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, its lowest or highest good value, and its calculation from the results."""

    figure: str
    limit: float
    at_least: bool
    unit: str
    of: Callable[[Results], float]

    def line(self, results: Results) -> str:
        """Return a row of the table."""
        try:
            reached = self.of(results)
        except (KeyError, IndexError, ValueError, ZeroDivisionError):
            return f"| {self.figure} | {self._asked()} | not measured | |"
        good = reached >= self.limit if self.at_least else reached <= self.limit
        text, verdict = f"{_text_of(reached)}{self.unit}", "reached" if good else "missed"
        return f"| {self.figure} | {self._asked()} | {text} | {verdict} |"

    def _asked(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_text_of(self.limit)}{self.unit}"


def _text_of(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= WHOLE else f"{figure:.3g}"


def stored(results: Results, name: str, figure: str = "rate") -> float:
    """Return the median of the contestant whose name begins with `name`."""
    rounds = [each["rounds"] for each in results["storing"] if each["name"].startswith(name)]
    return statistics.median(float(one[figure]) for one in rounds[0])


def whole_of(figures: Results) -> float:
    """Return the processor time an event of all three processes, 0 if one was not measured."""
    costs = [figures[name] for name in PROCESSES]
    return 0.0 if None in costs else float(sum(costs))


def answered(results: Results, name: str, callers: int, figure: str) -> float:
    """Return the median of the question whose name begins with `name`."""
    rounds = [one for one in results["answering"] if one["name"].startswith(name)]
    return statistics.median(float(one[figure]) for one in rounds if one["callers"] == callers)


def waited(results: Results, rate: int, figure: str, *, confirmed: bool = False) -> float:
    """Return a percentile from publish to commit, or to the confirmation."""
    (found,) = [one for one in results["latency"] if (one["rate"], one["confirmed"]) == (rate, confirmed)]
    return float(found[figure])


def ratios_to_first(rounds: Results, who: str) -> list[float]:
    """Return the ratios of a contestant's rates to those of the first of `rounds`, round by round."""
    first = next(iter(rounds.values()))
    return [float(one["rate"] / other["rate"]) for one, other in zip(rounds[who], first, strict=True)]


def earlier(name: str) -> Callable[[Results], float]:
    """Return a function for the median ratio of our rate to the earlier worker's, round by round."""
    return lambda results: statistics.median(
        1 / ratio for ratio in ratios_to_first(results["earlier"][name], "earlier")
    )


def paired(group: str, who: str) -> Callable[[Results], float]:
    """Return a function for the median ratio of a contestant's rate to the plain worker's, round by round."""
    return lambda results: statistics.median(ratios_to_first(results[group], who))


def largest(results: Results) -> Results:
    """Return the measures of the largest table."""
    return dict(max(results["growth"], key=lambda one: one["rows"]))


def largest_events(results: Results) -> Results:
    """Return the shape with the largest events."""
    return dict(results["shapes"][name_of(200_000)])


def all_three(results: Results) -> float:
    """Return the median of the processor time an event of all three processes."""
    rounds = next(each["rounds"] for each in results["storing"] if each["name"] == "session-store")
    return statistics.median(map(whole_of, rounds))


def over(name: str) -> Callable[[Results], float]:
    """Return a function for the ratio of our rate to a contestant's."""
    return lambda results: stored(results, "session-store") / stored(results, name)


GOALS: Final = (
    Goal("events/s", 25_000, True, "", lambda r: stored(r, "session-store")),
    Goal("of the earlier worker's, in pairs", 1.3, True, "x", earlier(name_of(2_000))),
    Goal("the same, 4 kB an event", 1.3, True, "x", earlier(name_of(4_000))),
    Goal("the same, 20 kB an event", 1.8, True, "x", earlier(name_of(20_000))),
    Goal("the same, 200 kB an event", 1.8, True, "x", earlier(name_of(200_000))),
    Goal("worker's CPU an event", 28, False, " µs", lambda r: stored(r, "session-store", "cpu")),
    Goal("CPU an event of worker, RabbitMQ and PostgreSQL", 72, False, " µs", all_three),
    Goal("events/s over aio-pika, one transaction a message", 9, True, "x", over("aio-pika")),
    Goal("events/s over FastStream, the same", 13, True, "x", over("FastStream")),
    Goal("events/s over Node, amqplib and pg", 4.3, True, "x", over("Node: amqplib")),
    Goal("events/s over mq-bridge", 2, True, "x", over("mq-bridge")),
    Goal("of the database's own rate for the same batches", 0.4, True, "", over("the same batches")),
    Goal(
        "with the changes feed on, nobody follows, of without",
        0.9,
        True,
        "x",
        paired("feed", "on, nobody follows"),
    ),
    Goal("with signatures enforced and TLS, of plain", 0.88, True, "x", paired("signing", "enforce, TLS")),
    Goal("publish to commit at 1,000 events/s, p50", 5, False, " ms", lambda r: waited(r, 1000, "p50")),
    Goal("publish to commit at 1,000 events/s, p99", 25, False, " ms", lambda r: waited(r, 1000, "p99")),
    Goal(
        "publish to confirmation at 5,000 events/s, p99",
        25,
        False,
        " ms",
        lambda r: waited(r, 5000, "p99", confirmed=True),
    ),
    Goal(
        "RPC read over a bare echo, p50",
        1.4,
        False,
        "x",
        lambda r: answered(r, "session.read", 1, "p50") / answered(r, "echo", 1, "p50"),
    ),
    Goal(
        "pages of 100, one caller, of asyncpg's own rate",
        0.6,
        True,
        "x",
        lambda r: answered(r, QUERY, 1, "rate") / answered(r, "asyncpg, the same 100", 1, "rate"),
    ),
    Goal("pages of 100, 64 callers, of the earlier worker's", 2, True, "x", earlier(PAGES_NAME)),
    Goal(
        "RPC reads/s over FastStream's, 64 at a time",
        3,
        True,
        "x",
        lambda r: answered(r, "session.read", 64, "rate") / answered(r, "FastStream", 64, "rate"),
    ),
    Goal(
        "deep page over first page in the largest table",
        2,
        False,
        "x",
        lambda r: largest(r)["deep_page"] / largest(r)["first_page"],
    ),
    Goal("statistics of the largest table", 50, False, " ms", lambda r: largest(r)["stats"]),
    Goal(
        "write rate of the largest table over the smallest",
        0.7,
        True,
        "x",
        lambda r: largest(r)["rate"] / r["growth"][0]["rate"],
    ),
    Goal("peak memory of a replica", 150, False, " MB", lambda r: stored(r, "session-store", "memory")),
    Goal("the same, 200 kB an event", 150, False, " MB", lambda r: largest_events(r)["memory"]),
)
