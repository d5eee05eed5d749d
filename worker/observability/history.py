"""The last hour of a worker, a sample every 10 s, in memory."""

from collections import deque
from dataclasses import dataclass
from time import time
from typing import Final

from contracts.topology import DEAD_QUEUE, DELETE_KEY, WRITE_KEY
from worker.observability.metrics import PREFIX, Series

SAMPLE_SECONDS: Final = 10.0
SAMPLES: Final = 360


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment: rates are a second's, over the time since the sample before; times are in seconds."""

    at: float
    events: float = 0.0
    requests: float = 0.0
    lag: float = 0.0
    batch: float = 0.0
    waiting: float = 0.0
    dead: float = 0.0


class History:
    """At most an hour of samples, oldest first."""

    def __init__(self) -> None:
        self._before: tuple[float, Series] | None = None
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)

    def add(self, series: Series) -> None:
        """Add a sample of this moment."""
        now = time()
        if self._before is not None:
            at, before = self._before
            self.samples.append(_compare(now, max(now - at, 1e-3), before, series))
        self._before = now, series

    def values(self, name: str) -> list[float]:
        """Return one value of every sample, by the name of its field."""
        return [getattr(sample, name) for sample in self.samples]


def total(series: Series, name: str) -> float:
    """Return the sum over all labels of a metric, named without the prefix of all."""
    return sum(value for (sample, _), value in series.items() if sample == PREFIX + name)


def waiting_in(series: Series, *queues: str) -> float:
    """Return how many messages wait in these queues."""
    return sum(series.get((f"{PREFIX}queue_messages", (("queue", queue),)), 0.0) for queue in queues)


def _compare(at: float, seconds: float, before: Series, now: Series) -> Sample:
    def grown(name: str) -> float:
        return total(now, name) - total(before, name)

    return Sample(
        at,
        grown("events_total") / seconds,
        grown("rpc_requests_total") / seconds,
        grown("commit_lag_seconds_sum") / max(grown("commit_lag_seconds_count"), 1.0),
        grown("batch_events_sum") / max(grown("batch_events_count"), 1.0),
        waiting_in(now, WRITE_KEY, DELETE_KEY),
        waiting_in(now, DEAD_QUEUE),
    )
