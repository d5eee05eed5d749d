"""The result of one event, as a value."""

from typing import NamedTuple, Self

from contracts.outcomes import DeadLetterCode, Outcome
from contracts.replies import Receipt


class Verdict(NamedTuple):
    """The one outcome of an event (contract: Outcomes).

    `revision` is the one stored after it, None when there is none. `code` and `message` are the
    reason of a `rejected` event; `first` is the outcome of a `duplicate` when it was applied; `receipt` is an
    erasure's. `kept_out` marks a `superseded` write of an erased player: no session exists after it.
    """

    outcome: Outcome
    revision: int | None = None
    code: DeadLetterCode | None = None
    message: str | None = None
    first: Outcome | None = None
    receipt: Receipt | None = None
    kept_out: bool = False

    @classmethod
    def rejected(cls, code: DeadLetterCode, message: str) -> Self:
        """Return the verdict of an invalid event."""
        return cls(Outcome.REJECTED, code=code, message=message)
