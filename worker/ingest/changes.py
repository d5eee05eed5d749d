"""What a batch changed, as messages of the changes feed: of each session its last state.

The event that the ledger names is told by whoever settles it, before its delivery is acknowledged. So the greatest
event of a session is told at least once, whatever is killed in between: until it is, its delivery comes back as a
`duplicate`, and is told then. One that comes back `superseded` is not the greatest any more; the one that replaced it
is told for it. An `absent` delete is told as well: the delete that it replaced may have found the session, and come
back superseded without having been told.

A write that an erasure keeps out is `superseded`, and still what was there of its session up to its revision is gone.
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
from worker.store.records import session_of
from worker.store.rows import EventRow


def changes_of(batch: Iterable[Settlement], source: str) -> list[ChangeMessage]:
    """Return what there is to tell of a batch whose verdicts are committed, one message a session at most."""
    greatest: dict[str, tuple[EventKey, Settlement]] = {}
    for judged in batch:
        if judged.event is not None and _is_told(judged.verdict):
            key = key_of(judged.event)
            known = greatest.get(judged.event.session_id)
            if known is None or known[0] < key:
                greatest[judged.event.session_id] = key, judged
    now = format_timestamp(datetime.now(UTC))
    return [
        message_of(judged.event, _is_stored(judged.verdict), source, now)
        for _, judged in greatest.values()
        if judged.event is not None
    ]


def messages_of(deletes: Iterable[EventRow], source: str) -> list[ChangeMessage]:
    """Return what there is to tell of deletes that are committed."""
    now = format_timestamp(datetime.now(UTC))
    return [message_of(delete, False, source, now) for delete in deletes]


def message_of(event: EventRow, is_stored: bool, source: str, now: str) -> ChangeMessage:
    """Return the message that tells of a session after this event."""
    data: dict[str, object] = {"revision": event.revision}
    key = STORED_KEY if is_stored else DELETED_KEY
    removed = event.event_id == LAST or not (is_stored or event.is_delete)
    number = removal_id(event.session_id, event.revision) if removed else event.event_id
    if is_stored:
        data["session"] = _session_of(event)
    body = {
        "specversion": "1.0",
        "id": number,
        "source": source,
        "type": key,
        "subject": event.session_id,
        "time": now,
        "data": data,
    }
    return ChangeMessage(key, orjson.dumps(body))


def _is_told(verdict: Verdict) -> bool:
    return verdict.outcome in APPLIED or verdict.first is not None or verdict.kept_out


def _is_stored(verdict: Verdict) -> bool:
    return Outcome.STORED in (verdict.outcome, verdict.first)


def _session_of(event: EventRow) -> dict[str, object]:
    """The session as a read answers it; the row is that of a write."""
    completed = datetime.fromisoformat(event.completed_at) if event.completed_at else None
    started = datetime.fromisoformat(event.started_at or "")
    content = (event.player_id or "", event.encounter or "", event.state or "", event.extra)
    return session_of(event.session_id, *content, started, completed)
