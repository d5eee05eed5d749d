"""Events of sessions and players: published, confirmed, and the outcome as a result or an error."""

from datetime import datetime
from uuid import UUID, uuid4

from ..outcomes import DeadLetterCode, Outcome
from ..replies import Confirmation, Receipt
from ..topology import DELETE_KEY, ERASE_KEY, WRITE_KEY
from .clock import HybridClock, PendingWrites
from .errors import Conflict, Rejected, TimedOut
from .events import (
    EventOptions,
    OutgoingEvent,
    OutgoingMessage,
    SessionContent,
    WriteResult,
    check_event,
    event_message,
    session_id_of,
)
from .reader import SessionReader
from .transport import Transport


class SessionWriter:
    """Gives each event a revision and an id, where the caller has none, and publishes it.

    Deadlines are monotonic, in seconds. All raise Rejected, TimedOut, Misconfigured and Closed.
    """

    def __init__(
        self,
        transport: Transport,
        reader: SessionReader,
        clock: HybridClock,
        pending: PendingWrites,
        options: EventOptions,
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._clock = clock
        self._pending = pending
        self._options = options

    async def write(
        self,
        session: SessionContent,
        expected_revision: int | None,
        revision: int | None,
        event_id: UUID | None,
        deadline: float,
        updated_at: datetime | None = None,
    ) -> WriteResult:
        """Create or replace a session; raises Conflict too."""
        session_id = session_id_of(session)
        revision = self._clock.next(session_id) if revision is None else revision
        event = OutgoingEvent(
            WRITE_KEY, session_id, revision, expected_revision, event_id or uuid4(), session, updated_at
        )
        return await self._publish(event, deadline)

    async def delete(
        self,
        session_id: str,
        expected_revision: int | None,
        revision: int | None,
        event_id: UUID | None,
        deadline: float,
    ) -> WriteResult:
        """Delete a session; raises Conflict too.

        Where an engine whose clock is ahead had written a greater revision, the delete is repeated above that. It is
        not repeated above a write that this client made after the call.
        """
        while True:
            chosen = self._clock.next(session_id) if revision is None else revision
            event = OutgoingEvent(DELETE_KEY, session_id, chosen, expected_revision, event_id or uuid4())
            result = await self._publish(event, deadline)
            is_lost = result.outcome is Outcome.SUPERSEDED and revision is None and event_id is None
            is_behind = self._clock.is_behind(session_id)
            if not (is_lost and is_behind and self._clock.is_latest(session_id, chosen)):
                return result

    async def erase(self, player_id: str, revision: int | None, deadline: float) -> Receipt:
        """Erase a player's sessions up to the revision (now); return the receipt."""
        revision = self._clock.next(player_id) if revision is None else revision
        event = OutgoingEvent(ERASE_KEY, player_id, revision, None, uuid4())
        reply = await self._transport.request(event_message(event, self._options), deadline)
        confirmation = Confirmation.model_validate(reply)
        if confirmation.receipt is None:
            raise Rejected(confirmation.code or DeadLetterCode.BAD_SCHEMA, confirmation.message or "")
        return confirmation.receipt

    async def _publish(self, event: OutgoingEvent, deadline: float) -> WriteResult:
        message = event_message(event, self._options)
        try:
            if self._may_queue(event):
                return await self._queue(event, message, deadline)
            confirmation = Confirmation.model_validate(await self._transport.request(message, deadline))
            return await self._result_of(confirmation, event, deadline)
        except TimedOut as error:
            raise type(error)(
                message.call, event_id=event.event_id, revision=event.revision, reason=error.reason
            ) from error

    def _may_queue(self, event: OutgoingEvent) -> bool:
        is_unconditional_write = event.type == WRITE_KEY and event.expected_revision is None
        is_queued = self._options.durability == "queued"
        return is_queued and is_unconditional_write and self._pending.has_room_for(event.subject)

    async def _queue(self, event: OutgoingEvent, message: OutgoingMessage, deadline: float) -> WriteResult:
        check_event(message)
        await self._transport.publish(message, deadline)
        self._pending.add(event.subject, event.revision)
        self._clock.observe(event.subject, event.revision)
        return WriteResult(event.event_id, event.revision, None)

    async def _result_of(
        self, confirmation: Confirmation, event: OutgoingEvent, deadline: float
    ) -> WriteResult:
        """Return the confirmed outcome, or raise it."""
        if confirmation.code is not None:
            raise Rejected(confirmation.code, confirmation.message or "")
        applied = confirmation.revision or 0
        if confirmation.outcome is not Outcome.CONFLICT:  # this event was applied, or a greater one
            applied = max(applied, event.revision)
        self._clock.observe(event.subject, applied)
        self._pending.settle(event.subject, applied)
        repeated = confirmation.outcome is Outcome.DUPLICATE
        outcome = confirmation.first if repeated else confirmation.outcome
        if event.expected_revision is not None and outcome in (Outcome.CONFLICT, Outcome.SUPERSEDED):
            record = await self._reader.read(event.subject, None, deadline)
            raise Conflict(event.subject, event.expected_revision, record)
        return WriteResult(event.event_id, event.revision, outcome, repeated)
