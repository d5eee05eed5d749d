"""What the rest of the worker knows of traces, and the one that traces nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, Self

from worker.broker.delivery import Delivery, Properties
from worker.broker.replies import Reply
from worker.outcome import Verdict


class Taken(Protocol):
    """A message that was taken from a queue."""

    @property
    def delivery(self) -> Delivery:
        """The message."""

    @property
    def properties(self) -> Properties | None:
        """Its properties; None when they cannot be decoded."""


class Settled(Taken, Protocol):
    """A message and what became of the event in it."""

    @property
    def verdict(self) -> Verdict:
        """What became of it."""


class Trace(Protocol):
    """What is being traced: a batch, or one request."""

    def sending(self, replies: list[Reply]) -> AbstractContextManager[list[Reply]]:
        """Trace the sending of replies; those yielded say which trace they belong to."""

    def judge(self, batch: Sequence[Settled]) -> None:
        """Note what became of the messages of a batch."""


class Call(Protocol):
    """A call that is being traced."""

    def end_as(self, result: str) -> None:
        """Note what became of it: `ok`, or the reason of its error."""


class Traces(Protocol):
    """Traces what happens within a `with`; an exception that leaves it is noted by its type."""

    def storing(self, batch: Sequence[Taken], begun: float) -> AbstractContextManager[Trace]:
        """Trace a batch that was begun at a moment (monotonic, in seconds), and its messages since they came."""

    def serving(self, request: Delivery, properties: Properties) -> AbstractContextManager[Trace]:
        """Trace a request."""

    def calling(self, method: str) -> AbstractContextManager[Call]:
        """Trace one call of a request."""

    def querying(self, summary: str, rows: int = 1) -> AbstractContextManager[object]:
        """Trace a call to the database; `summary` is its operation and what it works on."""

    async def close(self) -> None:
        """Hand over what is not exported yet, for a second at most."""


class Untraced:
    """Traces nothing, and is all its own contexts: a batch costs a few empty calls."""

    def __enter__(self) -> Self:
        """Begin nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    def storing(self, batch: Sequence[Taken], begun: float) -> Self:
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
        """Yield the replies as they are."""
        return nullcontext(replies)

    def judge(self, batch: Sequence[Settled]) -> None:
        """Note nothing."""

    def end_as(self, result: str) -> None:
        """Note nothing."""

    async def close(self) -> None:
        """Close nothing."""


NO_TRACING: Final = Untraced()
