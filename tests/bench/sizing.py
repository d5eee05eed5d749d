"""The sizing model of docs/scaling.md, from the figures of docs/benchmarks.json: `python -m tests.bench.sizing`.

Its assumptions beside the measured figures are in `ASSUMED`, and are printed with the tables.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from deploy.generated import write_or_check
from deploy.local.instance import PROJECT

PAGE: Final = PROJECT / "docs" / "scaling.md"
FIGURES: Final = PROJECT / "docs" / "benchmarks.json"
BEGIN: Final = "<!-- tests.bench.sizing writes this -->"
END: Final = "<!-- to here -->"
RATES: Final = (1_000, 100_000, 1_000_000)
SECONDS_A_DAY: Final = 86_400
MONTH_DAYS: Final = 30
MONTH_HOURS: Final = 730
MICRO: Final = 1e6
GIGA: Final = 1e9


@dataclass(frozen=True, slots=True)
class Assumed:
    """The figures that are not measured here, with the unit in the name; money is in dollars."""

    busy_share: float = 0.5
    broker_us_an_event: float = 180.0
    event_bytes: int = 1_900
    broker_copies: int = 3
    writes_a_session: int = 5
    kept_days: int = 30
    disk_copies: int = 2
    core_hour: float = 0.04
    disk_gb_month: float = 0.10


ASSUMED: Final = Assumed()


@dataclass(frozen=True, slots=True)
class Costs:
    """The measured costs of an event: µs of CPU of worker and database, bytes of WAL; and bytes a session."""

    worker: float
    database: float
    wal: float
    session: float

    @classmethod
    def read(cls) -> "Costs":
        """Return the benchmark's figures: the higher of two measures of storing, and the largest table."""
        page = json.loads(FIGURES.read_text(encoding="utf-8"))
        rounds = next(each for each in page["storing"] if each["name"] == "session-store")["rounds"]
        shape, largest = page["shapes"]["1 replica"], page["growth"][-1]
        return cls(
            max(shape["cpu"], median(each["cpu"] for each in rounds)),
            max(shape["postgres"], median(each["postgres"] for each in rounds)),
            largest["wal"],
            largest["disk"],
        )


@dataclass(frozen=True, slots=True)
class Size:
    """The resources for a rate: cores, WAL in MB/s, network in Gbit/s, disk in TB, dollars a month."""

    rate: int
    workers: float
    broker: float
    database: float
    wal: float
    network: float
    disk: float
    computing: float
    storing: float


def size_of(rate: int, costs: Costs, assumed: Assumed = ASSUMED) -> Size:
    """Return the resources for this many events/s, day and night."""

    def cores(us: float) -> float:
        return rate * us / MICRO / assumed.busy_share

    # in to the broker, to its other nodes, to the worker, to the database, its WAL to the replica
    sent = assumed.event_bytes * (assumed.broker_copies + 2) + costs.wal
    sessions = rate * SECONDS_A_DAY * assumed.kept_days / assumed.writes_a_session
    disk = sessions * costs.session
    workers, broker, database = cores(costs.worker), cores(assumed.broker_us_an_event), cores(costs.database)
    every = workers + broker + database * assumed.disk_copies
    return Size(
        rate,
        workers,
        broker,
        database,
        rate * costs.wal / MICRO,
        rate * sent * 8 / GIGA,
        disk / 1e12,
        every * assumed.core_hour * MONTH_HOURS,
        disk * assumed.disk_copies / GIGA * assumed.disk_gb_month,
    )


def tables() -> str:
    """Return the generated part of the page, as Markdown."""
    costs, assumed = Costs.read(), ASSUMED
    sizes = [size_of(rate, costs) for rate in RATES]
    shown: list[tuple[str, list[float]]] = [
        ("workers, cores", [size.workers for size in sizes]),
        ("RabbitMQ's nodes together, cores", [size.broker for size in sizes]),
        ("PostgreSQL's primary, cores (a replica: as many at most)", [size.database for size in sizes]),
        ("WAL, MB/s", [size.wal for size in sizes]),
        ("network, all hops together, Gbit/s", [size.network for size in sizes]),
        (f"disk of one copy after {assumed.kept_days} days, TB", [size.disk for size in sizes]),
        ("computing, dollars a month", [size.computing for size in sizes]),
        (f"disk, {assumed.disk_copies} copies, dollars a month", [size.storing for size in sizes]),
    ]
    head = "| events/s | " + " | ".join(f"{rate:,}" for rate in RATES) + " |"
    rows = [f"| {name} | {' | '.join(map(figure, values))} |" for name, values in shown]
    return "\n".join([*terms(costs, assumed), "", head, "| --- | ---: | ---: | ---: |", *rows])


def terms(costs: Costs, assumed: Assumed) -> list[str]:
    """Return the basis of the tables: first the measured figures, then the assumed ones."""
    measured = [
        f"{costs.worker:.0f} µs of a worker's CPU an event",
        f"{costs.database:.0f} µs of PostgreSQL's",
        f"{costs.wal:,.0f} bytes of WAL",
        f"{costs.session:,.0f} bytes of disk a session ([benchmarks](benchmarks.md))",
        f"{assumed.broker_us_an_event:.0f} µs an event of the broker's three nodes together (`make bench-scale`)",
    ]
    supposed = [
        f"events of {assumed.event_bytes:,} bytes",
        f"{assumed.writes_a_session} writes a session",
        f"sessions kept {assumed.kept_days} days",
        f"cores {assumed.busy_share:.0%} busy",
        f"{assumed.broker_copies} copies of an event in the broker, {assumed.disk_copies} of the database",
        f"${assumed.core_hour:.2f} a core-hour, ${assumed.disk_gb_month:.2f} a GB-month of fast disk, traffic free",
    ]
    return [f"**Measured**: {'; '.join(measured)}.", "", f"**Assumed**: {'; '.join(supposed)}."]


def figure(value: float) -> str:
    """Return a number with two significant digits."""
    if value >= 10:
        digits = len(str(int(value))) - 2
        return f"{round(value / 10**digits) * 10**digits:,}"
    return f"{value:.2g}"


def main(words: Sequence[str]) -> int:
    """Return 0 if the page has, or now has, the tables of the figures."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return write_or_check(PAGE, f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
