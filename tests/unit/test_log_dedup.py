"""Repeated log lines, and the texts that lines quote."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

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


@dataclass(slots=True)
class Log:
    """A deduplicator and the lines that it has let through."""

    deduplicator: Deduplicator
    lines: list[EventDict]


@pytest.fixture
def log() -> Iterator[Log]:
    """Yield the log to which `log_at` writes."""
    deduplicator, lines = Deduplicator(), list[EventDict]()

    def stamp(_logger: object, _name: str, line: EventDict) -> EventDict:
        return {"timestamp": "the time of writing", **line, **structlog.contextvars.get_contextvars()}

    def keep(_logger: object, _name: str, line: EventDict) -> EventDict:
        lines.append(dict(line))
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, deduplicator, keep],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    yield Log(deduplicator, lines)
    structlog.reset_defaults()


def log_at(second: int, level: str, event: str, **fields: object) -> None:
    """Log a line at this time."""
    with structlog.contextvars.bound_contextvars(timestamp=second):
        structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, **fields)


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"codes": {"bad_json": 1}}, {"codes": {"too_deep": 1}}),
        ({"codes": {"bad_json": 1}}, {"codes": {"bad_json": 1, "too_deep": 1}}),
        ({"queues": ["session.write"]}, {"queues": ["session.delete"]}),
        ({"served": True}, {"served": False}),
    ],
)
def test_lines_that_differ_in_words_are_of_different_kinds(
    one: dict[str, object], other: dict[str, object]
) -> None:
    deduplicator = Deduplicator()
    assert [feed(deduplicator, event="refused", **fields) for fields in (one, other, one, other)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_repeat_has_the_counts_of_all_that_were_held_and_the_time_of_the_last(
    log: Log,
) -> None:
    for second in range(4):
        log_at(second, "warning", "events.dead_lettered", codes={"bad_json": second + 1})
    log_at(9, "info", "broker.connected")
    assert log.lines == [
        {"level": "warning", "event": "events.dead_lettered", "codes": {"bad_json": 1}, "timestamp": 0},
        {
            "level": "warning",
            "event": "events.dead_lettered",
            "codes": {"bad_json": 9},
            "repeated": 3,
            "timestamp": 3,
        },
        {"level": "info", "event": "broker.connected", "timestamp": 9},
    ]


def test_a_failure_after_a_recovery_is_written_at_once_and_none_from_before_it(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_at(0, "warning", "away")
    log_at(1, "warning", "away")
    log_at(2, "info", "back")
    monkeypatch.setattr(log_dedup, "BURST_SECONDS", -1.0)
    log.deduplicator.flush()
    log_at(4, "warning", "away")
    assert [(line["event"], line["timestamp"]) for line in log.lines] == [
        ("away", 0),
        ("away", 1),
        ("back", 2),
        ("away", 4),
    ]


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
