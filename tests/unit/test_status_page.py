"""The status page."""

import re
from time import time

from contracts.outcomes import DeadLetterCode, Outcome
from worker.observability.health import Health, WorkerState, reasons_of
from worker.observability.history import SAMPLES, History
from worker.observability.http.page import STYLE, render_page
from worker.observability.log_dedup import Deduplicator
from worker.observability.metrics import Metrics
from worker.observability.worker_view import WorkerView

WELL = WorkerState(prepared=True, broker=None, attached=True)


def make_board() -> WorkerView:
    return WorkerView(Metrics("1.2.3"), Health(), History(), Deduplicator())


def test_a_page_without_a_sample_can_be_read() -> None:
    page = render_page(make_board())
    assert "not ready" in page
    assert "no sample yet" in page


def test_what_is_wrong_is_escaped() -> None:
    board = make_board()
    board.health.note({"broker": "<script>alert(1)</script>"})
    board.recent(None, "", {"level": "error", "event": "<b>", "reason": '"<i>', "timestamp": "<u>"})
    page = render_page(board)
    assert not {"<script", "<b>away", "<i>", "<u>"} & set(re.findall(r"<script|<b>away|<i>|<u>", page))
    assert "&lt;script&gt;" in page


def test_a_strict_policy_finds_nothing_to_forbid() -> None:
    page = render_page(make_board())
    assert not re.search(r"\sstyle=|<style|<script|\son\w+=|https?:", page + STYLE)


def test_the_last_hour_takes_no_more_room_than_an_hour() -> None:
    history, metrics = History(), Metrics("1")
    series = metrics.read()
    for _ in range(SAMPLES + 20):
        history.add(series)
    assert len(history.samples) == SAMPLES


def test_counts_of_the_worker_are_shown() -> None:
    board = make_board()
    board.history.add(board.metrics.read())
    board.metrics.count_outcomes([Outcome.STORED] * 1234)
    board.metrics.count_dead_letters({DeadLetterCode.BAD_TIME: 7})
    board.history.add(board.metrics.read())
    page = render_page(board)
    assert "1,234" in page
    assert "bad_time" in page
    assert "bad_json" not in page
    assert board.history.samples[-1].events > 0
    assert board.history.samples[-1].at <= time()


def test_a_worker_that_is_well_has_no_reason_not_to_be_ready() -> None:
    assert reasons_of(WELL, None, None) == {}


def test_a_paused_worker_is_not_blamed_for_its_consumers() -> None:
    paused = WorkerState(prepared=True, broker=None, attached=False, paused=True)
    assert set(reasons_of(paused, "connection refused", None)) == {"paused", "database"}
