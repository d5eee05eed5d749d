"""How one replica is: whether its loop turns, whether it is ready, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

STALLED_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class ServingState:
    """The state of a session to the broker; without one, or before anything is consumed, that of the defaults.

    attached: events and requests are consumed.
    blocked: the broker takes nothing that is published.
    paused: nothing is consumed until the database is back.
    storing: why the last attempt to store failed; None when it did not.
    changes: why the broker refuses the changes feed; None when it does not.
    in_flight: how many events are delivered and not acknowledged.
    lag: the age in seconds of the oldest event that is delivered and not settled.
    """

    attached: bool = False
    blocked: bool = False
    paused: bool = False
    storing: str | None = None
    changes: str | None = None
    in_flight: int = 0
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """The state of a worker; `broker` says why it has no session to the broker, None when it has one.

    `login_refused` says that the broker refuses the login.
    """

    prepared: bool = False
    stopping: bool = False
    broker: str | None = "not connected yet"
    reconnects: int = 0
    login_refused: bool = False
    serving: ServingState = ServingState()


class Health:
    """Whether a replica lives and is ready, as its heartbeat noted last."""

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
        """Return why the replica does not store and answer, by part; empty when it is ready."""
        return self._reasons if self.is_live else {**self._reasons, "loop": "the event loop stalls"}


def reasons_of(worker: WorkerState, database: str | None, schema: str | None) -> dict[str, str]:
    """Return why a worker in this state is not ready, by part; `database` and `schema` as a probe found them."""
    serving = worker.serving
    found = {
        "stop": "the worker is draining" if worker.stopping else None,
        "start": None if worker.prepared else "the worker waits for the database's schema",
        "schema": schema,
        "database": database,
        "storing": serving.storing and f"the last attempt to store failed: {serving.storing}",
        "broker": worker.broker,
        "blocked": "the broker takes nothing that is published" if serving.blocked else None,
        "changes": serving.changes and f"the broker refuses the changes feed: {serving.changes}",
        "paused": "consuming is paused until the database is back" if serving.paused else None,
    }
    if not (serving.attached or worker.broker or serving.paused):
        found["consumers"] = "consumers are not attached"
    return {part: reason for part, reason in found.items() if reason}
