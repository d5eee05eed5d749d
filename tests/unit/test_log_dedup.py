"""Log lines in log_dedup, and what they quote."""

import pytest
import structlog
from structlog.testing import capture_logs

from worker.observability import log_dedup
from worker.observability.log_dedup import Deduplicator
from worker.observability.logs import escape_texts, show_exception


def feed(deduplicator: Deduplicator, **line: object) -> bool:
    """Return whether the line passes."""
    try:
        deduplicator(None, "", {"level": "warning", "timestamp": "now", **line})
    except structlog.DropEvent:
        return False
    return True


def test_the_same_warning_passes_once_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    deduplicator = Deduplicator()
    assert [feed(deduplicator, event="away", reason="a", failures=n) for n in range(4)] == [
        True,
        False,
        False,
        False,
    ]
    assert feed(deduplicator, event="away", reason="b")
    monkeypatch.setattr(log_dedup, "BURST_SECONDS", -1.0)
    with capture_logs() as lines:
        deduplicator.flush()
        deduplicator.flush()
    assert [(line["event"], line["repeated"]) for line in lines] == [("away", 3)]
    assert [(line.reason, line.count) for line in deduplicator.problems] == [("a", 4), ("b", 1)]
    assert feed(deduplicator, event="away", reason="a"), "a new burst begins with a line"


def test_the_same_warning_in_two_traces_is_one_warning() -> None:
    deduplicator = Deduplicator()
    assert [feed(deduplicator, event="away", trace_id=each) for each in ("1", "2")] == [True, False]


def test_lines_of_lower_levels_all_pass() -> None:
    deduplicator = Deduplicator()
    assert all(feed(deduplicator, level="info", event="broker.connected") for _ in range(3))


def test_many_kinds_of_a_warning_take_no_more_room() -> None:
    deduplicator = Deduplicator()
    passed = sum(feed(deduplicator, event="away", reason=str(n)) for n in range(10_000))
    assert passed == log_dedup.MAX_KINDS + 1
    assert len(deduplicator.problems) == log_dedup.MAX_PROBLEMS


def test_texts_are_escaped_and_cut() -> None:
    line = escape_texts(None, "", {"id": "a\nb\x1b[31m\u202e\ud800", "long": "x" * 10_000, "count": 3})
    assert line["id"] == "a\\u000ab\\u001b[31m\\u202e\\ud800"
    assert len(line["long"]) == 300
    assert line["count"] == 3


def test_an_exception_is_shown_without_its_words() -> None:
    try:
        raise ValueError("the session's own words")
    except ValueError as error:
        line = show_exception(None, "", {"event": "failed", "exc_info": error})
    assert "own words" not in str(line["exception"]).partition("\n")[0]
    assert str(line["exception"]).startswith("ValueError\n")
