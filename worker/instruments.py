"""The collaborators that observe the work, wherever it is done."""

from dataclasses import dataclass

from worker.failpoint import FailpointHook, no_failpoint
from worker.observability.metrics import Metrics
from worker.traces.interface import NO_TRACING, Traces


@dataclass(frozen=True, slots=True)
class Instruments:
    """The counters and traces of one worker's work, and the point where a test may end it."""

    metrics: Metrics
    traces: Traces = NO_TRACING
    failpoint: FailpointHook = no_failpoint
