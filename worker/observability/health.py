"""How one replica is: whether its loop turns, whether it is ready, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

STALLED_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker knows of itself; `broker`, `storing` and `changes` say what is wrong, None if nothing is."""

    prepared: bool = False
    stopping: bool = False
    broker: str | None = "not connected yet"
    attached: bool = False
    blocked: bool = False
    paused: bool = False
    storing: str | None = None
    changes: str | None = None
    in_flight: int = 0
    oldest: float = 0.0
    reconnects: int = 0


class Health:
    """Whether a replica lives and is ready, as its pulse noted last."""

    def __init__(self) -> None:
        self._beaten = monotonic()
        self._reasons: Mapping[str, str] = {"start": "the worker is starting"}

    def beat(self) -> float:
        """Note that the event loop turns, and return the seconds since the last beat."""
        last, self._beaten = self._beaten, monotonic()
        return self._beaten - last

    def note(self, reasons: Mapping[str, str]) -> None:
        """Note why the replica is not ready, by part; an empty mapping says that it is."""
        self._reasons = reasons

    @property
    def is_live(self) -> bool:
        """Whether the event loop has turned within the last 10 s."""
        return monotonic() - self._beaten < STALLED_SECONDS

    @property
    def is_ready(self) -> bool:
        """Whether nothing keeps the replica from storing and answering."""
        return not self.not_ready_reasons()

    def not_ready_reasons(self) -> Mapping[str, str]:
        """Return what keeps the replica from storing and answering, by part; empty when it is ready."""
        return self._reasons if self.is_live else {**self._reasons, "loop": "the event loop stalls"}


def reasons_of(condition: WorkerState, database: str | None, schema: str | None) -> dict[str, str]:
    """Return why a worker in this condition is not ready, by part; `database` and `schema` as a probe found them."""
    found = {
        "stop": "the worker is draining" if condition.stopping else None,
        "start": None if condition.prepared else "the worker waits for the database's schema",
        "schema": schema,
        "database": database,
        "storing": condition.storing and f"the last attempt to store failed: {condition.storing}",
        "broker": condition.broker,
        "blocked": "the broker takes nothing that is published" if condition.blocked else None,
        "changes": condition.changes and f"the broker refuses the changes feed: {condition.changes}",
        "paused": "consuming is paused until the database is back" if condition.paused else None,
    }
    if not (condition.attached or condition.broker or condition.paused):
        found["consumers"] = "consumers are not attached"
    return {part: reason for part, reason in found.items() if reason}
