"""The status page."""

import re
from time import time

from contracts.outcomes import DeadLetterCode, Outcome
from worker.observability.health import Health, ServingState, WorkerState, reasons_of
from worker.observability.history import SAMPLES, History
from worker.observability.http.page import STYLE, render_page
from worker.observability.log_dedup import Deduplicator
from worker.observability.metrics import Metrics
from worker.observability.worker_view import WorkerView

WELL = WorkerState(prepared=True, broker=None, serving=ServingState(attached=True))


def make_view() -> WorkerView:
    return WorkerView(Metrics("1.2.3"), Health(), History(), Deduplicator())


def test_a_page_without_a_sample_can_be_read() -> None:
    page = render_page(make_view())
    assert "not ready" in page
    assert "no sample yet" in page


def test_what_is_wrong_is_escaped() -> None:
    view = make_view()
    view.health.note({"broker": "<script>alert(1)</script>"})
    view.deduplicator(None, "", {"level": "error", "event": "<b>", "reason": '"<i>', "timestamp": "<u>"})
    page = render_page(view)
    assert not {"<script", "<b>away", "<i>", "<u>"} & set(re.findall(r"<script|<b>away|<i>|<u>", page))
    assert "&lt;script&gt;" in page


def test_a_strict_policy_finds_nothing_to_forbid() -> None:
    page = render_page(make_view())
    assert not re.search(r"\sstyle=|<style|<script|\son\w+=|https?:", page + STYLE)


def test_the_last_hour_takes_no_more_room_than_an_hour() -> None:
    history, metrics = History(), Metrics("1")
    series = metrics.read()
    for _ in range(SAMPLES + 20):
        history.add(series)
    assert len(history.samples) == SAMPLES


def test_counts_of_the_worker_are_shown() -> None:
    view = make_view()
    view.history.add(view.metrics.read())
    view.metrics.count_outcomes([Outcome.STORED] * 1234)
    view.metrics.count_dead_letters({DeadLetterCode.BAD_TIME: 7})
    view.history.add(view.metrics.read())
    page = render_page(view)
    assert "1,234" in page
    assert "bad_time" in page
    assert "bad_json" not in page
    assert view.history.samples[-1].events > 0
    assert view.history.samples[-1].at <= time()


def test_a_worker_that_is_well_has_no_reason_not_to_be_ready() -> None:
    assert reasons_of(WELL, None, None) == {}


def test_a_paused_worker_is_not_blamed_for_its_consumers() -> None:
    paused = WorkerState(prepared=True, broker=None, serving=ServingState(attached=False, paused=True))
    assert set(reasons_of(paused, "connection refused", None)) == {"paused", "database"}
