"""The changes feed: committed changes of sessions as CloudEvents 1.0 in structured JSON form.

The feed is optional. A message has the state of a session at a revision, and arrives at least once.
Messages of one session are ordered by `(revision, id)`, as its events are. A reader that keeps the greatest, in
whatever order messages arrive, has the stored state. Of a session that is written many times at once, one
message announces the last state.
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
    """The revision up to which the session does not exist any more."""

    revision: Revision


class SessionStored(Envelope):
    """The session is stored in this state; `id` is the id of the event that wrote it, also in a repeated message."""

    type: Literal["session.stored"]
    data: StoredContent


class SessionDeleted(Envelope):
    """The session does not exist; `id` is the id of the event that deleted it, also in a repeated message.

    A session that an erasure removed has an id made of session and revision, greater than the id of any event.
    """

    type: Literal["session.deleted"]
    data: DeletedContent


Change = Annotated[SessionStored | SessionDeleted, Discriminator("type")]
CHANGE: Final[TypeAdapter[SessionStored | SessionDeleted]] = TypeAdapter(Change)
"""Messages of the changes feed."""


def removal_id(session_id: str, revision: int) -> UUID:
    """Return the id of the message that announces the removal of a session by an erasure.

    `LAST` would be the same for all of them, but an id and its source identify one message (CloudEvents 1.0).
    """
    digest = sha256(f"{revision} {session_id}".encode()).digest()
    return UUID(bytes=b"\xff" * 8 + digest[:8])
