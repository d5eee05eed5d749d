"""The goals, and whether they were reached."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Results = dict[str, Any]


PROCESSES: Final = ("cpu", "rabbitmq", "postgres")
"""The figures of the processor time an event of the worker and of the two servers."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, what it should be at least or at most, and how it is made of the results."""

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
        return f"| {self.figure} | {self._asked()} | {reached:,.3g}{self.unit} | {'reached' if good else 'missed'} |"

    def _asked(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"


def stored(results: Results, name: str, figure: str = "rate") -> float:
    """Return the median of a contestant whose name begins so."""
    rounds = [each["rounds"] for each in results["storing"] if each["name"].startswith(name)]
    return statistics.median(float(one[figure]) for one in rounds[0])


def whole_of(figures: Results) -> float:
    """Return the processor time an event of all three processes, 0 where one was not measured."""
    costs = [figures[name] for name in PROCESSES]
    return 0.0 if None in costs else float(sum(costs))


def answered(results: Results, name: str, callers: int, figure: str) -> float:
    """Return the median of a question whose name begins so."""
    rounds = [one for one in results["answering"] if one["name"].startswith(name)]
    return statistics.median(float(one[figure]) for one in rounds if one["callers"] == callers)


def waited(results: Results, rate: int, figure: str) -> float:
    """Return a percentile from publish to commit."""
    (found,) = [one for one in results["latency"] if one["rate"] == rate and not one["confirmed"]]
    return float(found[figure])


def largest(results: Results) -> Results:
    """Return the measures of the largest table."""
    return dict(max(results["growth"], key=lambda one: one["rows"]))


def over(name: str) -> Callable[[Results], float]:
    """Return how many times a contestant's rate ours is."""
    return lambda results: stored(results, "session-store") / stored(results, name)


GOALS: Final = (
    Goal("events/s over aio-pika, one transaction a message", 10, True, "x", over("aio-pika")),
    Goal("events/s over FastStream, the same", 10, True, "x", over("FastStream")),
    Goal("events/s over Node, amqplib and pg", 3.5, True, "x", over("Node: amqplib")),
    Goal("events/s over mq-bridge", 3.4, True, "x", over("mq-bridge")),
    Goal("worker's CPU an event", 45, False, " µs", lambda r: stored(r, "session-store", "cpu")),
    Goal("of the database's own rate for the same batches", 0.4, True, "", over("the same batches")),
    Goal("publish to commit at 1,000 events/s, p50", 5, False, " ms", lambda r: waited(r, 1000, "p50")),
    Goal("publish to commit at 1,000 events/s, p99", 25, False, " ms", lambda r: waited(r, 1000, "p99")),
    Goal(
        "RPC read over a bare echo, p50",
        1.5,
        False,
        "x",
        lambda r: answered(r, "session.read", 1, "p50") / answered(r, "echo", 1, "p50"),
    ),
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
)
