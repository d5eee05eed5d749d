"""What there is to be shown of one worker."""

from dataclasses import dataclass

from worker.health import Health
from worker.history import History
from worker.metrics import Metrics
from worker.storms import Recent


@dataclass(frozen=True, slots=True)
class Board:
    """The metrics, health, last hour and last troubles of one worker."""

    metrics: Metrics
    health: Health
    history: History
    recent: Recent
