"""Imports events through the queue: a running worker stores them and confirms each."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from contracts.client import (
    Conflict,
    Misconfigured,
    Rejected,
    ReplyUnverified,
    SessionStore,
    TimedOut,
    Unavailable,
    WriteResult,
)
from contracts.outcomes import DeadLetterCode, Outcome
from worker.errors import ConfigurationError, UnavailableError
from worker.ingest.fold import Verdicts, key_of
from worker.outcome import Verdict
from worker.store.records import session_of_event
from worker.store.rows import EventRow


class QueueSink:
    """Publishes the events of a chunk together and waits until each is committed."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def take(self, events: Sequence[EventRow]) -> Verdicts:
        """Return every event's verdict, as the worker confirmed it."""
        verdicts = await asyncio.gather(*(self._publish(event) for event in events))
        return dict(zip(map(key_of, events), verdicts, strict=True))

    async def _publish(self, event: EventRow) -> Verdict:
        try:
            written = await self._send(event)
        except Rejected as error:
            return Verdict.rejected(DeadLetterCode(error.code), error.message)
        except Conflict as error:
            return Verdict(Outcome.CONFLICT, error.record.revision if error.record else None)
        except (Misconfigured, ReplyUnverified) as error:
            raise ConfigurationError(str(error)) from error
        except (TimedOut, Unavailable) as error:
            raise UnavailableError(str(error)) from error
        if written.repeated or written.outcome is None:
            return Verdict(Outcome.DUPLICATE, written.revision)
        return Verdict(written.outcome, written.revision)

    async def _send(self, event: EventRow) -> WriteResult:
        expected, revision, event_id = event.expected_revision, event.revision, event.event_id
        if event.is_delete:
            return await self._store.delete(
                event.session_id, expected_revision=expected, revision=revision, event_id=event_id
            )
        return await self._store.write(
            session_of_event(event),
            expected_revision=expected,
            revision=revision,
            event_id=event_id,
            updated_at=datetime.fromisoformat(event.updated_at) if event.updated_at else None,
        )
