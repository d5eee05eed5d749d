"""Reduces a repeated warning to one line with a count, and remembers the last warnings and errors."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import structlog
from structlog.typing import EventDict

BURST_SECONDS: Final = 10.0
MAX_KINDS: Final = 100
MAX_PROBLEMS: Final = 20
DEDUPLICATED_LEVELS: Final = ("warning", "error", "critical")
PASSING_LEVELS: Final = ("debug",)
IGNORED_FIELDS: Final = ("timestamp", "trace_id")  # they differ between lines of one kind
SHOWN_FIELDS: Final = ("reason", "sqlstate", "codes")
NOT_AGAIN: Final = ("level", "timestamp", "exc_info")

Kind = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class LoggedProblem:
    """A warning or an error that was logged: its time, event and reason, and how often it came."""

    at: str
    event: str
    reason: str
    is_error: bool
    count: int = 1


@dataclass(slots=True)
class Burst:
    """Lines of one kind since the first was written; `held` were not, and `line` is the sum of these."""

    since: float
    line: EventDict
    problem: LoggedProblem
    held: int = 0

    def hold(self, line: EventDict) -> None:
        """Count a line that is not written."""
        self.line = _sum(self.line, line) if self.held else dict(line)
        self.held += 1
        self.problem.count += 1


class Deduplicator:
    """Drops a warning or an error that was logged within the last 10 s, and says later how many there were.

    Lines are of one kind when their event, all their texts and the words by which they count are the same. A later
    line with `repeated` has the time and the numbers of the last one, and the sum of the counts by word. It is
    written before the next line of the level `info`: that line may be the recovery, after which nothing may read as
    another failure. Lines of the level `debug` pass.
    """

    def __init__(self) -> None:
        self._bursts: dict[Kind, Burst] = {}
        self.problems: deque[LoggedProblem] = deque(maxlen=MAX_PROBLEMS)

    def __call__(self, _logger: object, _name: str, line: EventDict) -> EventDict:
        """Return the line, or drop it as one that has just been written."""
        if "repeated" in line:
            line["timestamp"] = line.pop("last", line.get("timestamp"))
            return line
        if line.get("level") not in DEDUPLICATED_LEVELS:
            if line.get("level") not in PASSING_LEVELS:
                self._end_bursts()
            return line
        kind = self._kind_of(line)
        if burst := self._bursts.get(kind):
            burst.hold(line)
            raise structlog.DropEvent
        self.problems.append(_describe(line))
        self._bursts[kind] = Burst(monotonic(), dict(line), self.problems[-1])
        return line

    def flush(self) -> None:
        """Write how often each kind came within its 10 s; to be called about once a second."""
        before = monotonic() - BURST_SECONDS
        for kind in [kind for kind, burst in self._bursts.items() if burst.since < before]:
            burst = self._bursts[kind]
            if not burst.held:
                del self._bursts[kind]
                continue
            _write_again(burst)
            burst.since, burst.held = monotonic(), 0

    def _end_bursts(self) -> None:
        """Write the held lines and begin again: the next line of each kind is written at once."""
        ended, self._bursts = self._bursts, {}
        for burst in ended.values():
            if burst.held:
                _write_again(burst)

    def _kind_of(self, line: EventDict) -> Kind:
        words = {k: _words_of(v) for k, v in line.items() if k not in IGNORED_FIELDS}
        kind = tuple(sorted((name, word) for name, word in words.items() if word is not None))
        if kind not in self._bursts and len(self._bursts) >= MAX_KINDS:
            return (("event", str(line.get("event"))),)
        return kind


def _write_again(burst: Burst) -> None:
    again = {name: value for name, value in burst.line.items() if name not in NOT_AGAIN}
    event, last = str(again.pop("event")), burst.line.get("timestamp")
    structlog.get_logger().log(_number_of(burst.line), event, **again, repeated=burst.held, last=last)


def _words_of(value: object) -> str | None:
    """Return the words of a field by which lines differ in kind, None for one without: a number is none."""
    match value:
        case str():
            return value
        case bool() | None:
            return str(value)
        case Mapping():
            return ",".join(sorted(map(str, value)))
        case list() | tuple() | set() | frozenset():
            return ",".join(sorted(map(str, value)))
    return None


def _sum(held: EventDict, line: EventDict) -> EventDict:
    """Return the later line, with the counts by word of both."""
    summed: dict[str, Any] = dict(line)
    for name, value in line.items():
        before = held.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            summed[name] = {word: count + before.get(word, 0) for word, count in value.items()}
    return summed


def _number_of(line: EventDict) -> int:
    return 30 if line["level"] == "warning" else 40


def _show(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{word} {count}" for word, count in value.items())
    return str(value)


def _describe(line: EventDict) -> LoggedProblem:
    reason = ", ".join(_show(line[name]) for name in SHOWN_FIELDS if name in line)
    at, is_error = str(line.get("timestamp", ""))[:19], line["level"] != "warning"
    return LoggedProblem(at, str(line["event"]), reason, is_error)
