"""The errors of the client, sorted by the action that the caller must take.

SessionStoreError
├── Closed                the client is closed: open another
├── Misconfigured         no queue is declared, or the broker refuses the login: an operator must act
│   └── SignatureRefused  the worker refuses this client's signature: compare the keys and the clocks
├── Rejected              the event is invalid (`code`, `message`): correct the code that made it
├── BadRequest            the request is invalid (`message`, `details`): correct the code that made it
├── NotFound              an update finds no session of this id: create it first
├── Conflict              the session is not at the expected revision (`record` is stored): decide, write again
├── TooLarge              the reply would exceed 4 MiB: ask for less
├── Unavailable           up to the deadline the worker replied that it cannot serve: try again later
└── TimedOut              no reply by the deadline: a write may be stored or not; the same `event_id` again is safe
    └── ReplyUnverified   all replies had signatures that none of our keys verifies: compare the keys
"""

from uuid import UUID

from ..replies import Record


class SessionStoreError(Exception):
    """The base of every error that this client raises on purpose."""


class Closed(SessionStoreError):
    """The client was closed, or never opened."""


class Misconfigured(SessionStoreError):
    """The broker has no queue for the message, or refuses the login: an operator must act.

    The client keeps trying, so later calls succeed once the operator has acted.
    """


class SignatureRefused(Misconfigured):
    """The worker refuses this client's signature: an operator must compare the keys and the clocks."""


class Rejected(SessionStoreError):
    """The event is invalid; if it reached the worker, it is in the dead-letter queue.

    `code` is one of the contract's dead-letter codes.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BadRequest(SessionStoreError):
    """The request is invalid; `details` has one entry for each wrong field."""

    def __init__(self, message: str, details: object = None) -> None:
        super().__init__(message)
        self.details = details


class NotFound(SessionStoreError):
    """The store has no session of this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"there is no session {session_id}")
        self.session_id = session_id


class Conflict(SessionStoreError):
    """The session is not at the expected revision; `record` is the stored one, or None.

    The write changed nothing, with one exception: if a worker or a connection was lost meanwhile, the write may
    have been applied and then replaced by a newer one before its outcome was delivered.
    """

    def __init__(self, session_id: str, expected: int, record: Record | None) -> None:
        found = f"revision {record.revision}" if record else "no session"
        super().__init__(f"{session_id}: expected revision {expected}, found {found}")
        self.record = record


class TooLarge(SessionStoreError):
    """The reply would exceed 4 MiB."""


class Unavailable(SessionStoreError):
    """Up to the deadline the worker replied that it cannot serve; `reason` is the contract's word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


class TimedOut(SessionStoreError):
    """No reply came by the deadline; `reason` says why, where it is known.

    Of a write (it has `event_id` and `revision`) it is unknown whether it is stored. The same write again with
    both is safe: an event is applied once.
    """

    def __init__(
        self,
        call: str,
        *,
        event_id: UUID | None = None,
        revision: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"no answer to {call} by its deadline{f' ({reason})' if reason else ''}")
        self.event_id = event_id
        self.revision = revision
        self.reason = reason


class ReplyUnverified(TimedOut):
    """Every reply that came by the deadline had a signature that none of this client's keys verifies.

    Such a reply does not end a call, because anybody may have sent it. Either somebody forged it, or the worker has
    other keys than this client, or none.
    """
