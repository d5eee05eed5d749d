"""Computes from two scrapes of a replica its rates between them, and its state at the second."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.outcomes import Outcome
from contracts.topology import DEAD_QUEUE, DELETE_KEY, RPC_KEY, WRITE_KEY
from worker.cli.top.scrape import FOREIGN, Scrape
from worker.observability.history import total
from worker.observability.metrics import PARTS, PREFIX, Series

QUEUES: Final = (WRITE_KEY, DELETE_KEY, RPC_KEY, DEAD_QUEUE)
POOLS: Final = ("write", "read")


@dataclass(frozen=True, slots=True)
class Figures:
    """A replica; rates are per second, times in seconds, means None where nothing happened between the scrapes.

    `pools` are the connections in use and their maximum, by the pool's name.
    """

    state: str
    events: dict[str, float]
    batch: float | None
    lag: float | None
    in_flight: float
    oldest: float
    requests: float
    latency: float | None
    pools: dict[str, tuple[float, float]]
    reconnects: float
    memory: float | None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The waiting messages and the consumers of a queue, as the broker counts them."""

    name: str
    messages: float
    consumers: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment: each replica's figures by its URL, or a text that says why there are none; and the queues."""

    replicas: dict[str, Figures | str]
    queues: list[QueueFigures]


def take_snapshot(before: Sequence[Scrape], now: Sequence[Scrape]) -> Snapshot:
    """Return the snapshot at the second of two scrapes of the same replicas."""
    replicas = {scrape.url: compare(earlier, scrape) for earlier, scrape in zip(before, now, strict=True)}
    return Snapshot(replicas, read_queues(now))


def compare(before: Scrape, now: Scrape) -> Figures | str:
    """Return a replica's figures, or why there are none."""
    if now.failure:
        return now.failure
    if (f"{PREFIX}ready", ()) not in now.series:
        return FOREIGN
    series, elapsed = now.series, max(now.at - before.at, 1e-3)

    def grown(name: str) -> float:
        return max(total(series, name) - total(before.series, name), 0.0) if before.series else 0.0

    def mean(name: str) -> float | None:
        count = grown(f"{name}_count")
        return grown(f"{name}_sum") / count if count else None

    return Figures(
        _state_of(series),
        _outcomes(before.series, series, elapsed),
        mean("batch_events"),
        mean("commit_lag_seconds"),
        total(series, "events_in_flight"),
        total(series, "oldest_event_seconds"),
        grown("rpc_requests_total") / elapsed,
        mean("rpc_seconds"),
        {pool: _use_of(series, pool) for pool in POOLS},
        total(series, "broker_reconnects_total"),
        series.get(("process_resident_memory_bytes", ())),
    )


def read_queues(scrapes: Sequence[Scrape]) -> list[QueueFigures]:
    """Return each queue once: all replicas report the same, up to the age of their last probe."""
    return [
        QueueFigures(queue, _most(scrapes, "queue_messages", queue), _most(scrapes, "queue_consumers", queue))
        for queue in QUEUES
        if any(_key("queue_messages", queue) in scrape.series for scrape in scrapes)
    ]


def _outcomes(before: Series, series: Series, elapsed: float) -> dict[str, float]:
    def rate(outcome: Outcome) -> float:
        key = (f"{PREFIX}events_total", (("outcome", outcome.value),))
        return max(series.get(key, 0.0) - before.get(key, 0.0), 0.0) / elapsed if before else 0.0

    return {outcome.value: rate(outcome) for outcome in Outcome}


def _state_of(series: Series) -> str:
    if series[f"{PREFIX}ready", ()]:
        return "ready"
    parts = [part for part in PARTS if series.get((f"{PREFIX}not_ready", (("part", part),)))]
    return f"not ready: {', '.join(parts) or 'starting'}"


def _use_of(series: Series, pool: str) -> tuple[float, float]:
    used = series.get((f"{PREFIX}pool_connections", (("pool", pool), ("state", "used"))), 0.0)
    return used, series.get((f"{PREFIX}pool_size", (("pool", pool),)), 0.0)


def _most(scrapes: Sequence[Scrape], name: str, queue: str) -> float:
    return max(scrape.series.get(_key(name, queue), 0.0) for scrape in scrapes)


def _key(name: str, queue: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"{PREFIX}{name}", (("queue", queue),)
