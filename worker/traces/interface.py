"""The interface of traces, and its implementation that traces nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, Self

from worker.broker.delivery import Delivery, Properties
from worker.broker.replies import Reply
from worker.outcome import Verdict


class ReceivedMessage(Protocol):
    """A message received from a queue."""

    @property
    def delivery(self) -> Delivery:
        """The message."""

    @property
    def properties(self) -> Properties | None:
        """Its properties; None when they cannot be decoded."""


class SettledMessage(ReceivedMessage, Protocol):
    """A received message and the verdict of its event."""

    @property
    def verdict(self) -> Verdict:
        """The verdict."""


class Trace(Protocol):
    """The trace of a batch, or of one request."""

    def sending(self, replies: list[Reply]) -> AbstractContextManager[list[Reply]]:
        """Trace the sending of replies; the replies yielded carry their trace in headers."""

    def record_outcomes(self, batch: Sequence[SettledMessage]) -> None:
        """Record the outcomes of a batch's messages."""


class Call(Protocol):
    """The trace of one call."""

    def end_as(self, result: str) -> None:
        """Record its result: `ok`, or the reason of its error."""


class Traces(Protocol):
    """Traces `with` blocks; an exception that leaves a block is recorded by its type."""

    def storing(self, batch: Sequence[ReceivedMessage], started: float) -> AbstractContextManager[Trace]:
        """Trace a batch since `started` (monotonic, in seconds), and its messages since they were received."""

    def serving(self, request: Delivery, properties: Properties) -> AbstractContextManager[Trace]:
        """Trace a request."""

    def calling(self, method: str) -> AbstractContextManager[Call]:
        """Trace one call of a request."""

    def querying(self, summary: str, rows: int = 1) -> AbstractContextManager[object]:
        """Trace a call to the database; `summary` is its operation and its table or function."""

    async def close(self) -> None:
        """Export the remaining spans, for a second at most."""


class NoTracing:
    """Traces nothing, and is its own context manager: a batch costs a few empty calls."""

    def __enter__(self) -> Self:
        """Start nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    def storing(self, batch: Sequence[ReceivedMessage], started: float) -> Self:
        """Trace nothing."""
        return self

    def serving(self, request: Delivery, properties: Properties) -> Self:
        """Trace nothing."""
        return self

    def calling(self, method: str) -> Self:
        """Trace nothing."""
        return self

    def querying(self, summary: str, rows: int = 1) -> Self:
        """Trace nothing."""
        return self

    def sending(self, replies: list[Reply]) -> AbstractContextManager[list[Reply]]:
        """Yield the replies unchanged."""
        return nullcontext(replies)

    def record_outcomes(self, batch: Sequence[SettledMessage]) -> None:
        """Record nothing."""

    def end_as(self, result: str) -> None:
        """Record nothing."""

    async def close(self) -> None:
        """Close nothing."""


NO_TRACING: Final = NoTracing()
