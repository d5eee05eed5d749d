"""Batches of events for tests, and the verdicts of applying their events one at a time."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from hypothesis import strategies as st

from contracts.outcomes import Outcome
from tests.support.events.deliveries import deliver
from tests.support.events.model import Entry, Event, judge
from worker.broker.delivery import Properties
from worker.ingest.deliveries import DecodedEvent
from worker.outcome import Verdict
from worker.store.rows import EventRow

# Few sessions, revisions and ids, so that ties, repeats and matches of expectedRevision are common.
events = st.builds(
    Event,
    st.sampled_from(["a", "b", "ä"]),
    st.integers(1, 6),
    st.integers(1, 3).map(lambda n: UUID(int=n << 64 | n)),
    st.booleans(),
    st.none() | st.none() | st.integers(0, 6),
)


def consistent(given: Sequence[Event]) -> list[Event]:
    """Return the events; equal session, revision and id become repetitions of one event."""
    known: dict[tuple[str, int, UUID], Event] = {}
    return [known.setdefault(event[:3], event) for event in given]


batches = st.lists(events, max_size=14).map(consistent)


def row_of(event: Event) -> EventRow:
    """Return the event's row as the worker sends it to the database; its content identifies the event."""
    head = EventRow(event.session_id, event.revision, event.id, event.expected, event.is_delete)
    if event.is_delete:
        return head
    said = orjson.dumps({"written by": f"{event.revision} {event.id}"})
    return head._replace(
        player_id="player",
        encounter=said,
        state=b"{}",
        extra=said if event.revision % 2 else None,
        started_at="2025-11-07T10:30:00+00:00",
    )


def decoded(event: Event) -> DecodedEvent:
    """Return a delivery of the event."""
    return DecodedEvent(deliver(b""), Properties(), row_of(event), None)


def verdicts_one_by_one(given: Sequence[Event], ledger: dict[str, Entry]) -> list[Verdict]:
    """Apply the events by the order law, and return each one's verdict in the order given.

    The ledger is updated. A repetition is applied directly after its event.
    """
    verdicts: dict[int, Verdict] = {}
    for place, event in sorted(enumerate(given), key=lambda numbered: numbered[1][:3]):
        outcome, entry = judge(ledger.get(event.session_id), event)
        verdicts[place] = _verdict(outcome, entry)
        if entry is not None:
            ledger[event.session_id] = entry
    return [verdicts[place] for place in range(len(given))]


def _verdict(outcome: str, entry: Entry | None) -> Verdict:
    stored = entry.revision if entry and entry.outcome == "stored" else None
    first = Outcome(entry.outcome) if entry and outcome == "duplicate" else None
    return Verdict(Outcome(outcome), stored, first=first)
