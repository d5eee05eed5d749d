"""Keeps the same warning, coming again and again, to one line with a count, and remembers the last ones."""

from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog
from structlog.typing import EventDict

QUIET_SECONDS: Final = 10.0
MOST_KINDS: Final = 100
REMEMBERED: Final = 20
LOUD: Final = ("warning", "error", "critical")
PASSING: Final = ("timestamp", "trace_id")  # what differs between lines that say the same
SHOWN: Final = ("reason", "sqlstate", "codes")

Kind = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class LoggedProblem:
    """A line that was logged, for people: when, what, why, and how often."""

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
    trouble: LoggedProblem
    held: int = 0


class Deduplicator:
    """Drops a warning or an error that was logged within the last 10 s, and says later how many there were.

    Lines are of one kind when their event and all their texts are the same. Lines of lower levels pass.
    """

    def __init__(self) -> None:
        self._storms: dict[Kind, Burst] = {}
        self.lines: deque[LoggedProblem] = deque(maxlen=REMEMBERED)

    def __call__(self, _logger: object, _name: str, line: EventDict) -> EventDict:
        """Return the line, or drop it as one that has just been written."""
        if line.get("level") not in LOUD or "repeated" in line:
            return line
        kind = self._kind_of(line)
        if storm := self._storms.get(kind):
            storm.held += 1
            storm.trouble.count += 1
            raise structlog.DropEvent
        self.lines.append(_describe(line))
        self._storms[kind] = Burst(monotonic(), dict(line), self.lines[-1])
        return line

    def flush(self) -> None:
        """Write how often each kind came within its 10 s; to be called about once a second."""
        before = monotonic() - QUIET_SECONDS
        for kind in [kind for kind, storm in self._storms.items() if storm.since < before]:
            storm = self._storms[kind]
            if not storm.held:
                del self._storms[kind]
                continue
            again = {k: v for k, v in storm.line.items() if k not in ("level", "timestamp", "exc_info")}
            event = str(again.pop("event"))
            structlog.get_logger().log(_number_of(storm.line), event, **again, repeated=storm.held)
            storm.since, storm.held = monotonic(), 0

    def _kind_of(self, line: EventDict) -> Kind:
        texts = {k: v for k, v in line.items() if isinstance(v, str) and k not in PASSING}
        kind = tuple(sorted(texts.items()))
        if kind not in self._storms and len(self._storms) >= MOST_KINDS:
            return (("event", str(line.get("event"))),)
        return kind


def _number_of(line: EventDict) -> int:
    return 30 if line["level"] == "warning" else 40


def _show(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{word} {count}" for word, count in value.items())
    return str(value)


def _describe(line: EventDict) -> LoggedProblem:
    reason = ", ".join(_show(line[name]) for name in SHOWN if name in line)
    at, is_error = str(line.get("timestamp", ""))[:19], line["level"] != "warning"
    return LoggedProblem(at, str(line["event"]), reason, is_error)
