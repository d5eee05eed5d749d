"""The order law, replayed for events that were folded into a later one.

The database decides; this module repeats the decision for the events that the database did not get (contract: The one
law of order).
"""

from contracts.changes import LAST
from contracts.outcomes import Outcome
from worker.outcome import Verdict
from worker.store.rows import Applied, EventRow, LedgerEntry

APPLIED = frozenset((Outcome.STORED, Outcome.DELETED, Outcome.ABSENT))


def decide(entry: LedgerEntry | None, event: EventRow) -> Applied:
    """Return the outcome of `event` for a session whose ledger entry is `entry`."""
    stored = entry.stored_revision if entry else None
    if entry is not None:
        new, last = (event.revision, event.event_id), (entry.revision, entry.event_id)
        if new <= last:
            return Applied(Outcome.DUPLICATE if new == last else Outcome.SUPERSEDED, entry)
    if event.expected_revision is not None and event.expected_revision != (stored or 0):
        return Applied(Outcome.CONFLICT, entry)
    if not event.is_delete:
        return Applied(Outcome.STORED, entry)
    return Applied(Outcome.ABSENT if stored is None else Outcome.DELETED, entry)


def entry_after(event: EventRow, applied: Applied) -> LedgerEntry | None:
    """Return the session's ledger entry after `event` had this outcome."""
    if applied.outcome in APPLIED:
        return LedgerEntry(event.revision, event.event_id, applied.outcome)
    return applied.before


def verdict_of(event: EventRow, applied: Applied) -> Verdict:
    """Return the verdict of `event` for its publisher."""
    if applied.outcome is Outcome.STORED:
        return Verdict(Outcome.STORED, event.revision)
    entry = entry_after(event, applied)
    stored = entry.stored_revision if entry else None
    first = entry.outcome if entry and applied.outcome is Outcome.DUPLICATE else None
    return Verdict(applied.outcome, stored, first=first, kept_out=_is_kept_out(event, applied))


def _is_kept_out(event: EventRow, applied: Applied) -> bool:
    """Whether an erasure may have superseded the event: it turns a write into a delete (`apply_session_events`)."""
    before = applied.before
    return (
        applied.outcome is Outcome.SUPERSEDED
        and not event.is_delete
        and before is not None
        and (before.event_id, before.outcome) == (LAST, Outcome.ABSENT)
    )


def verdict_of_repeat(verdict: Verdict) -> Verdict:
    """Return the verdict of the second delivery of an event whose first had `verdict`."""
    if verdict.outcome in APPLIED:
        return Verdict(Outcome.DUPLICATE, verdict.revision, first=verdict.outcome)
    return verdict
