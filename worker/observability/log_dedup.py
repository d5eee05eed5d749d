"""Reduces a repeated warning to one line with a count, and remembers the last warnings and errors."""

from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog
from structlog.typing import EventDict

BURST_SECONDS: Final = 10.0
MAX_KINDS: Final = 100
MAX_PROBLEMS: Final = 20
DEDUPLICATED_LEVELS: Final = ("warning", "error", "critical")
IGNORED_FIELDS: Final = ("timestamp", "trace_id")  # they differ between lines of one kind
SHOWN_FIELDS: Final = ("reason", "sqlstate", "codes")

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
    """Lines of one kind since the first was written."""

    since: float
    line: EventDict
    problem: LoggedProblem
    held: int = 0


class Deduplicator:
    """Drops a warning or an error that was logged within the last 10 s, and says later how many there were.

    Lines are of one kind when their event and all their texts are the same. Lines of lower levels pass.
    """

    def __init__(self) -> None:
        self._bursts: dict[Kind, Burst] = {}
        self.problems: deque[LoggedProblem] = deque(maxlen=MAX_PROBLEMS)

    def __call__(self, _logger: object, _name: str, line: EventDict) -> EventDict:
        """Return the line, or drop it as one that has just been written."""
        if line.get("level") not in DEDUPLICATED_LEVELS or "repeated" in line:
            return line
        kind = self._kind_of(line)
        if burst := self._bursts.get(kind):
            burst.held += 1
            burst.problem.count += 1
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
            again = {k: v for k, v in burst.line.items() if k not in ("level", "timestamp", "exc_info")}
            event = str(again.pop("event"))
            structlog.get_logger().log(_number_of(burst.line), event, **again, repeated=burst.held)
            burst.since, burst.held = monotonic(), 0

    def _kind_of(self, line: EventDict) -> Kind:
        texts = {k: v for k, v in line.items() if isinstance(v, str) and k not in IGNORED_FIELDS}
        kind = tuple(sorted(texts.items()))
        if kind not in self._bursts and len(self._bursts) >= MAX_KINDS:
            return (("event", str(line.get("event"))),)
        return kind


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
