"""The client's errors, sorted by what the caller must do.

SessionStoreError
├── Closed          the client was closed: make another
├── Misconfigured   nobody has declared the queues, or the broker refuses the login: a person must act
│   └── Distrusted  the worker refuses this client's signature: a person must compare keys and clocks
├── Rejected        the event is invalid (`code`, `message`): mend what made it
├── BadRequest      the question is invalid (`message`, `details`): mend what asked
├── Conflict        the session is not at the expected revision (`record` is what is stored): decide, write again
├── TooLarge        the answer would pass 4 MiB: ask for less
├── Unavailable     the other side said that it cannot answer now, up to the deadline: ask again later
└── TimedOut        no answer by the deadline: a write may or may not be stored; the same `event_id` again is safe
    └── Untrusted   only answers that are not signed by one of our keys: a person must compare the keys
"""

from uuid import UUID

from contracts.replies import Record


class SessionStoreError(Exception):
    """Everything this client raises on purpose."""


class Closed(SessionStoreError):
    """The client was closed, or never opened."""


class Misconfigured(SessionStoreError):
    """The broker has no queue for the message, or does not let us in: a person must act.

    The client goes on trying, so that later calls succeed once somebody has.
    """


class Distrusted(Misconfigured):
    """The worker refuses this client's signature: a person must compare the keys, and the clocks."""


class Rejected(SessionStoreError):
    """The event is invalid; where it reached the worker it is in the dead-letter queue.

    `code` is one of the contract's dead-letter codes.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BadRequest(SessionStoreError):
    """The question is invalid; `details` has one entry a wrong field."""

    def __init__(self, message: str, details: object = None) -> None:
        super().__init__(message)
        self.details = details


class Conflict(SessionStoreError):
    """The session is not at the expected revision; `record` is what is stored, or None.

    The write changed nothing, save for one case: where a worker or a connection was lost meanwhile, it may
    have counted and then been replaced by a newer one, before its outcome could be told.
    """

    def __init__(self, session_id: str, expected: int, record: Record | None) -> None:
        found = f"revision {record.revision}" if record else "no session"
        super().__init__(f"{session_id}: expected revision {expected}, found {found}")
        self.record = record


class TooLarge(SessionStoreError):
    """The answer would pass 4 MiB."""


class Unavailable(SessionStoreError):
    """The worker answered, up to the deadline, that it cannot serve; `reason` is the contract's word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class TimedOut(SessionStoreError):
    """Nobody answered by the deadline; `reason` says why, where it is known.

    Of a write (it has `event_id` and `revision`) it is not known whether it is stored. Writing the same again
    with both is safe: an event is applied once.
    """

    def __init__(
        self,
        what: str,
        *,
        event_id: UUID | None = None,
        revision: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"no answer to {what} by its deadline{f' ({reason})' if reason else ''}")
        self.event_id = event_id
        self.revision = revision
        self.reason = reason


class Untrusted(TimedOut):
    """All that came by the deadline were answers that none of this client's keys has signed.

    Such an answer ends no call, because anybody may have sent it. Either somebody did, or the worker has other keys
    than this client, or none.
    """
