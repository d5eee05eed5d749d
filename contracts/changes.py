"""What the worker says was committed, where its changes feed is on: CloudEvents 1.0 in structured JSON form.

A message says how a session is at a revision, at least once. Messages of one session are ordered as its events are,
by `(revision, id)`; who keeps the greatest of them, whatever the order of arrival, has what is stored. A session that
is written many times at once is told in its last state alone.
"""

from hashlib import sha256
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Discriminator, TypeAdapter

from .events import Envelope
from .message import Message
from .scalars import Revision
from .session import Session

LAST: Final = UUID(int=2**128 - 1)
"""The id of a delete that no engine published: after every event of its revision."""


class StoredContent(Message):
    """The session as it is stored, and its revision."""

    revision: Revision
    session: Session


class DeletedContent(Message):
    """The revision up to which nothing of the session is there any more."""

    revision: Revision


class SessionStored(Envelope):
    """A session is stored as it is here; `id` is the id of the event that wrote it, a repeat has the same."""

    type: Literal["session.stored"]
    data: StoredContent


class SessionDeleted(Envelope):
    """No session is there; `id` is the id of the event that deleted it, a repeat has the same.

    One that was removed by an erasure has an id made of session and revision, greater than any event's.
    """

    type: Literal["session.deleted"]
    data: DeletedContent


Change = Annotated[SessionStored | SessionDeleted, Discriminator("type")]
CHANGE: Final[TypeAdapter[SessionStored | SessionDeleted]] = TypeAdapter(Change)
"""Messages of the changes feed."""


def removal_id(session_id: str, revision: int) -> UUID:
    """Return the id under which the removal of a session by an erasure is told.

    `LAST` would be the same for all of them, and an id with its source names one message alone (CloudEvents 1.0).
    """
    digest = sha256(f"{revision} {session_id}".encode()).digest()
    return UUID(bytes=b"\xff" * 8 + digest[:8])
