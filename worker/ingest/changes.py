"""The messages of the changes feed for a batch: at most one a session, with its last state.

A session's greatest event is announced before its delivery is acknowledged, so its last state is announced at least
once, whenever a worker is killed: a delivery that was not acknowledged comes back as a `duplicate` and is announced
then. One that comes back `superseded` needs no message, because the event that replaced it has one. An `absent`
delete is announced too: the delete that it replaced may have removed the session and come back superseded.

A write that an erasure keeps out is `superseded`, and announced as a removal: afterwards no session is stored up to
the revision of the write.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

from contracts.changes import LAST, removal_id
from contracts.outcomes import Outcome
from contracts.session import format_timestamp
from contracts.topology import DELETED_KEY, STORED_KEY
from worker.broker.changes import ChangeMessage
from worker.ingest.deliveries import Settlement
from worker.ingest.fold import EventKey, key_of
from worker.ingest.ordering import APPLIED
from worker.outcome import Verdict
from worker.store.records import session_of_event
from worker.store.rows import EventRow


def changes_of(batch: Iterable[Settlement], source: str) -> list[ChangeMessage]:
    """Return the messages for a batch whose verdicts are committed, at most one a session."""
    greatest: dict[str, tuple[EventKey, Settlement]] = {}
    for settlement in batch:
        if settlement.event is not None and _is_announced(settlement.verdict):
            key = key_of(settlement.event)
            known = greatest.get(settlement.event.session_id)
            if known is None or known[0] < key:
                greatest[settlement.event.session_id] = key, settlement
    now = format_timestamp(datetime.now(UTC))
    return [
        message_of(settlement.event, _is_stored(settlement.verdict), source, now)
        for _, settlement in greatest.values()
        if settlement.event is not None
    ]


def messages_of(deletes: Iterable[EventRow], source: str) -> list[ChangeMessage]:
    """Return the messages for deletes that are committed."""
    now = format_timestamp(datetime.now(UTC))
    return [message_of(delete, False, source, now) for delete in deletes]


def message_of(event: EventRow, is_stored: bool, source: str, now: str) -> ChangeMessage:
    """Return the message that announces a session's state after this event."""
    data: dict[str, object] = {"revision": event.revision}
    key = STORED_KEY if is_stored else DELETED_KEY
    removed = event.event_id == LAST or not (is_stored or event.is_delete)
    event_id = removal_id(event.session_id, event.revision) if removed else event.event_id
    if is_stored:
        data["session"] = session_of_event(event)
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": key,
        "subject": event.session_id,
        "time": now,
        "data": data,
    }
    return ChangeMessage(key, orjson.dumps(body))


def _is_announced(verdict: Verdict) -> bool:
    return verdict.outcome in APPLIED or verdict.first is not None or verdict.kept_out


def _is_stored(verdict: Verdict) -> bool:
    return Outcome.STORED in (verdict.outcome, verdict.first)
