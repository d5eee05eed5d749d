"""Every metric of a worker, by name; counted per batch, labelled by words of the contract, never by an id."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from contracts.faults import ErrorReason
from contracts.outcomes import DeadLetterCode, Outcome
from contracts.requests import PARAMS
from contracts.signing import SignatureFault
from contracts.topology import DELETED_KEY, STORED_KEY

PREFIX: Final = "session_store_"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
OK: Final = "ok"
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
FAILURES: Final = (
    ErrorReason.STORAGE_UNAVAILABLE,
    ErrorReason.TIMEOUT,
    ErrorReason.OVERLOADED,
    ErrorReason.INTERNAL_ERROR,
)
"""Results that are not the caller's fault."""
PARTS: Final = (
    "start",
    "schema",
    "database",
    "storing",
    "broker",
    "consumers",
    "blocked",
    "changes",
    "paused",
    "stop",
)
SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 200, 300, 400, 500, 1000, 2500, 5000, 10_000)
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAGS: Final = (*SECONDS, 300, 900, 3600)

Labels = tuple[tuple[str, str], ...]
Series = dict[tuple[str, Labels], float]
"""The value of each sample by its name and its labels, sorted."""


class Metrics:
    """The metrics of one worker, in a registry of its own; `names` tells the type and the labels of each."""

    def __init__(self, release: str) -> None:
        self.names: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._add_events()
        self._add_batches()
        self._add_requests()
        self._add_servers()
        self._add_state()
        build = self._gauge("build_info", "Always 1, labelled with the release", "version")
        build.labels(release).set(1)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def read(self) -> Series:
        """Return the value of every sample now."""
        return _series_of(self._registry.collect())

    def count_batch(self, size: int, redelivered: int, waited: float) -> None:
        """Note a batch that was received: its events, how many were redelivered, and how long the first waited."""
        self.batch_events.observe(size)
        self.redeliveries.inc(redelivered)
        self.inbox_seconds.observe(waited)

    def count_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Note the outcomes of a batch that is settled."""
        for outcome, count in Tally(outcomes).items():
            self.events.labels(outcome.value).inc(count)

    def count_dead_letters(self, codes: Mapping[DeadLetterCode, int]) -> None:
        """Note the dead letters that the broker has confirmed."""
        for code, count in codes.items():
            self.dead_letters.labels(code.value).inc(count)

    def count_changes(self, keys: Mapping[str, int]) -> None:
        """Note the messages of the changes feed that the broker has confirmed."""
        for key, count in keys.items():
            self.changes.labels(key).inc(count)

    def count_failure(self, reason: str) -> None:
        """Note a failed call that stores; a SQLSTATE without a word of its own is counted as `other`."""
        self.database_failures.labels(OTHER if reason.startswith("SQLSTATE") else reason).inc()

    def count_request(self, method: str, result: str, seconds: float) -> None:
        """Note one answered call; a method that the contract does not have is counted as `unknown`."""
        known = method if method in PARAMS else UNKNOWN
        self.rpc_requests.labels(known, result).inc()
        self.rpc_seconds.labels(known).observe(seconds)

    def show_queue(self, queue: str, messages: int, consumers: int) -> None:
        """Show the broker's counts of a queue, named without the installation's prefix."""
        self.queue_messages.labels(queue).set(messages)
        self.queue_consumers.labels(queue).set(consumers)

    def _add_events(self) -> None:
        self.events = self._counter("events", "Events settled, by outcome", "outcome")
        for outcome in Outcome:
            self.events.labels(outcome.value)
        self.dead_letters = self._counter("dead_letters", "Events dead-lettered by this worker", "code")
        for code in DeadLetterCode:
            self.dead_letters.labels(code.value)
        self.changes = self._counter(
            "changes", "Messages of the changes feed, confirmed by the broker", "type"
        )
        for key in (STORED_KEY, DELETED_KEY):
            self.changes.labels(key)
        self.bad_signatures = self._counter(
            "bad_signatures", "Messages whose signature does not count", "reason"
        )
        for fault in SignatureFault:
            self.bad_signatures.labels(fault.value)
        self.redeliveries = self._counter("redeliveries", "Deliveries that the broker marked as repeated")
        self.in_flight = self._gauge("events_in_flight", "Events delivered and not yet acknowledged")
        self.oldest = self._gauge("oldest_event_seconds", "Age of the oldest event not yet settled")

    def _add_batches(self) -> None:
        self.batch_events = self._histogram("batch_events", "Events in a batch", SIZES)
        self.inbox_seconds = self._histogram("inbox_seconds", "Wait of a batch's first event", SECONDS)
        self.database_seconds = self._histogram("database_seconds", "One call that applied a batch", SECONDS)
        self.settle_seconds = self._histogram("settle_seconds", "Settling a batch after its commit", SECONDS)
        self.commit_lag = self._histogram(
            "commit_lag_seconds", "From the time in a batch's first event to its commit", LAGS
        )

    def _add_requests(self) -> None:
        self.rpc_requests = self._counter("rpc_requests", "Calls answered", "method", "result")
        self.rpc_seconds = self._histogram("rpc_seconds", "One call, decoded to encoded", SECONDS, "method")
        for method in PARAMS:
            for result in (OK, *FAILURES):  # who counts from nothing sees no increase
                self.rpc_requests.labels(method, result)
            self.rpc_seconds.labels(method)
        self.rpc_ignored = self._counter("rpc_ignored", "Requests not answered", "reason")
        self.clocks_differ = self._counter(
            "clocks_differ", "Requests whose deadline shows that the caller's clock differs", "caller"
        )
        for direction in ("ahead", "behind"):
            self.clocks_differ.labels(direction)
        self.replies_dropped = self._counter("replies_dropped", "Replies the broker did not take", "kind")
        for kind in ("confirmation", "rpc"):
            self.replies_dropped.labels(kind)

    def _add_servers(self) -> None:
        self.pool_connections = self._gauge(
            "pool_connections", "Open connections to PostgreSQL", "pool", "state"
        )
        self.pool_size = self._gauge("pool_size", "Most connections a pool may have", "pool")
        self.database_failures = self._counter("database_failures", "Failed calls that store", "reason")
        self.reconnects = self._counter("broker_reconnects", "Attempts to reconnect to the broker")
        self.queue_messages = self._gauge("queue_messages", "Messages waiting in a queue", "queue")
        self.queue_consumers = self._gauge("queue_consumers", "Consumers of a queue", "queue")

    def _add_state(self) -> None:
        self.database_up = self._gauge("database_up", "1 while the database answers")
        self.replica_up = self._gauge("replica_up", "1 while a read replica is asked")
        self.replica_lag = self._gauge("replica_lag_seconds", "How far the replica's replay is behind")
        self.broker_up = self._gauge("broker_up", "1 while a session to the broker is served")
        self.blocked = self._gauge("broker_blocked", "1 while the broker takes nothing that is published")
        self.paused = self._gauge("paused", "1 while consuming is paused")
        self.paused_seconds = self._counter("paused_seconds", "Time with consuming paused")
        self.ready = self._gauge("ready", "1 while the worker is ready")
        self.not_ready = self._gauge("not_ready", "1 while this part is why the worker is not ready", "part")
        self.log_dropped = self._counter("log_lines_dropped", "Log lines that could not be written")
        self.loop_delay = self._gauge("loop_delay_seconds", "How late the event loop's last beat was")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.names[f"{PREFIX}{name}_total"] = ("counter", labels)
        return Counter(f"{PREFIX}{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self.names[f"{PREFIX}{name}"] = ("gauge", labels)
        return Gauge(f"{PREFIX}{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        self.names[f"{PREFIX}{name}"] = ("histogram", labels)
        return Histogram(f"{PREFIX}{name}", text, labels, registry=self._registry, buckets=buckets)


def read_exposition(text: str) -> Series:
    """Return the value of every sample that another worker rendered; raises ValueError for any other text."""
    return _series_of(text_string_to_metric_families(text))


def _series_of(families: Iterable[Metric]) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
