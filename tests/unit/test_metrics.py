"""The metrics and the page that lists them."""

import re
from pathlib import Path

from contracts.outcomes import DeadLetterCode, Outcome
from worker.observability.metrics import Metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(session_store_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    listed = {
        name: (kind, tuple(re.findall(r"\w+", labels)))
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }
    assert listed == Metrics("1").names


def test_every_outcome_and_code_is_exposed_before_it_happens() -> None:
    series = Metrics("1").read()
    for outcome in Outcome:
        assert series["session_store_events_total", (("outcome", outcome.value),)] == 0
    for code in DeadLetterCode:
        assert series["session_store_dead_letters_total", (("code", code.value),)] == 0


def test_a_made_up_method_gets_no_label_of_its_own() -> None:
    metrics = Metrics("1")
    for method in ("session.read", "no.such\nmethod", "x" * 1000):
        metrics.count_request(method, "ok", 0.1)
    series = metrics.read()
    assert series["session_store_rpc_requests_total", (("method", "unknown"), ("result", "ok"))] == 2
    assert b"no.such" not in metrics.render()


def test_two_workers_in_a_process_count_apart() -> None:
    one, other = Metrics("1"), Metrics("1")
    one.count_outcomes([Outcome.STORED, Outcome.STORED, Outcome.REJECTED])
    assert one.read()["session_store_events_total", (("outcome", "stored"),)] == 2
    assert other.read()["session_store_events_total", (("outcome", "stored"),)] == 0
