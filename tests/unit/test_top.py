"""The figures that follow from two looks at a replica's metrics."""

import pytest

from contracts.outcomes import Outcome
from worker.cli.top.figures import Figures, Snapshot, compare, read_queues
from worker.cli.top.scrape import Scrape
from worker.cli.top.tables import draw_sheets
from worker.observability.metrics import Metrics, read_exposition

URL = "http://a:1"


def look(metrics: Metrics, at: float) -> Scrape:
    return Scrape(URL, at, read_exposition(metrics.render().decode()))


def test_what_a_worker_renders_is_read_as_it_was() -> None:
    metrics = Metrics("1.0")
    metrics.count_request("session.read", "ok", 0.25)
    metrics.show_queue("session.write", 7, 3)
    read, own = read_exposition(metrics.render().decode()), metrics.read()
    assert {name: value for name, value in read.items() if name[0].startswith("session_")} == {
        name: value for name, value in own.items() if name[0].startswith("session_")
    }


def test_rates_and_means_are_those_between_the_looks() -> None:
    metrics = Metrics("1.0")
    metrics.ready.set(1)
    metrics.count_outcomes([Outcome.STORED] * 1000)
    before = look(metrics, 10.0)
    metrics.count_outcomes([Outcome.STORED] * 30 + [Outcome.DUPLICATE] * 10)
    metrics.count_batch(30, 0, 0.001)
    metrics.count_batch(10, 0, 0.001)
    metrics.commit_lag.observe(0.5)
    metrics.count_request("session.read", "ok", 0.002)
    metrics.count_request("session.count", "ok", 0.004)
    found = compare(before, look(metrics, 12.0))
    assert isinstance(found, Figures)
    assert (found.events["stored"], found.events["duplicate"], found.events["rejected"]) == (15, 5, 0)
    assert (found.batch, found.lag, found.requests, found.state) == (20, 0.5, 1, "ready")
    assert found.latency == pytest.approx(0.003)


def test_a_replica_that_started_anew_has_no_negative_rates() -> None:
    old, new = Metrics("1.0"), Metrics("1.0")
    old.count_outcomes([Outcome.STORED] * 1000)
    found = compare(look(old, 1.0), look(new, 2.0))
    assert isinstance(found, Figures)
    assert set(found.events.values()) == {0.0}
    assert (found.batch, found.lag, found.latency) == (None, None, None)


def test_a_replica_without_figures_shows_why() -> None:
    metrics = Metrics("1.0")
    metrics.not_ready.labels("database").set(1)
    metrics.not_ready.labels("storing").set(1)
    away, other = Scrape(URL, 1.0, failure="connection refused"), Scrape(URL, 1.0)
    replicas = {
        "not ready": compare(away, look(metrics, 2.0)),
        "away": compare(look(metrics, 1.0), away),
        "another program": compare(other, other),
    }
    states = [row[-1] for row in draw_sheets(Snapshot(replicas, []))[0].rows]
    assert states == [
        "not ready: database, storing",
        "no answer: connection refused",
        "no answer: no metrics of a worker there",
    ]


def test_queues_are_shown_once_for_all_replicas() -> None:
    first, second = Metrics("1.0"), Metrics("1.0")
    first.show_queue("session.write", 5, 2)
    second.show_queue("session.write", 7, 2)
    found = read_queues([look(first, 1.0), look(second, 1.0), Scrape(URL, 1.0, failure="away")])
    assert [(queue.name, queue.messages, queue.consumers) for queue in found] == [("session.write", 7, 2)]
