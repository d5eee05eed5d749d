"""The events that engines publish: CloudEvents 1.0 in structured JSON form (contract: Event)."""

from typing import Annotated, Final, Literal, Self

from pydantic import Discriminator, StringConstraints, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from .message import Message, Omissible
from .outcomes import DeadLetterCode
from .refusals import code_of, describe
from .scalars import EventId, ExpectedRevision, Identifier, Revision, Timestamp
from .session import Session

__all__ = [
    "EVENT",
    "DeleteContent",
    "DeleteEvent",
    "Envelope",
    "EraseContent",
    "EraseEvent",
    "Event",
    "SessionEvent",
    "WriteContent",
    "WriteEvent",
    "code_of",
    "describe",
]

Source = Annotated[str, StringConstraints(min_length=1)]


class DeleteContent(Message):
    """The content of a delete: its revision, and the revision that it expects."""

    revision: Revision
    expected_revision: ExpectedRevision | None = None


class WriteContent(DeleteContent):
    """The content of a write: the whole session, its revision, and the revision that it expects.

    `updatedAt` is in the writes of an import: the time of the session's last change. Otherwise the time
    of storing counts.
    """

    session: Session
    updated_at: Omissible[Timestamp] = None


class Envelope(Message):
    """The attributes of every event besides its type and its content."""

    specversion: Literal["1.0"]
    id: EventId
    source: Source
    subject: Identifier
    time: Timestamp | None = None


class WriteEvent(Envelope):
    """A session was written; `subject` is the id of the session in it."""

    type: Literal["session.write"]
    data: WriteContent

    @model_validator(mode="after")
    def _names_its_session(self) -> Self:
        if self.subject != self.data.session.session_id:
            raise PydanticCustomError(
                DeadLetterCode.SUBJECT_MISMATCH.value, "subject must equal data.session.sessionId"
            )
        return self


class DeleteEvent(Envelope):
    """A session was deleted."""

    type: Literal["session.delete"]
    data: DeleteContent


class EraseContent(Message):
    """The content of an erasure: the player's writes up to this revision are removed and stay out."""

    revision: Revision


class EraseEvent(Envelope):
    """A player is erased; `subject` is the player's id."""

    type: Literal["player.erase"]
    data: EraseContent


SessionEvent = Annotated[WriteEvent | DeleteEvent, Discriminator("type")]
Event = Annotated[WriteEvent | DeleteEvent | EraseEvent, Discriminator("type")]
EVENT: Final[TypeAdapter[WriteEvent | DeleteEvent]] = TypeAdapter(SessionEvent)
"""Events of sessions."""
