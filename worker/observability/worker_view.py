"""The state of one worker, for display."""

from dataclasses import dataclass

from worker.observability.health import Health
from worker.observability.history import History
from worker.observability.log_dedup import Deduplicator
from worker.observability.log_output import LogOutput
from worker.observability.metrics import Metrics


@dataclass(frozen=True, slots=True)
class WorkerView:
    """The metrics, health, last hour, last logged problems and log of one worker."""

    metrics: Metrics
    health: Health
    history: History
    deduplicator: Deduplicator
    log_output: LogOutput | None = None
