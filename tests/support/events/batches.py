"""Batches of events for tests, and the verdicts that applying them one at a time would give."""

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
    """Return the events where those of one session, revision and id are one event, repeated."""
    known: dict[tuple[str, int, UUID], Event] = {}
    return [known.setdefault(event[:3], event) for event in given]


batches = st.lists(events, max_size=14).map(consistent)


def row_of(event: Event) -> EventRow:
    """Return the event as the worker hands it to the database; its content tells which event wrote it."""
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
    """Return each event's verdict, in the order given, from applying them in the order of the law.

    The ledger is brought to what it says afterwards. A repeat comes right after the event it repeats.
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
