"""A batch has the outcomes of its events applied one by one, in as few rows as that allows."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given

from contracts.outcomes import DeadLetterCode, Outcome
from tests.support.events.batches import batches, consistent, decoded, row_of, verdicts_one_by_one
from tests.support.events.deliveries import deliver
from tests.support.events.model import Entry, Event, judge
from tests.support.examples import times
from worker.broker.delivery import Properties
from worker.ingest.deliveries import DecodedEvent, Settlement, settlements_of
from worker.ingest.fold import Verdicts, group_by_session, resolve, rounds_of
from worker.outcome import Verdict
from worker.store.rows import Applied, EventRow, LedgerEntry

STORED, DELETED, ABSENT = Outcome.STORED, Outcome.DELETED, Outcome.ABSENT


class Ledger(dict[str, Entry]):
    """A fake of the SQL function: the model judges, and a call has each session at most once."""

    def apply(self, events: Sequence[EventRow]) -> dict[str, Applied]:
        assert len({event.session_id for event in events}) == len(events)
        assert [event.session_id for event in events] == sorted(event.session_id for event in events)
        return {event.session_id: self._apply_one(event) for event in events}

    def _apply_one(self, row: EventRow) -> Applied:
        before = self.get(row.session_id)
        event = Event(row.session_id, row.revision, row.event_id, row.is_delete, row.expected_revision)
        outcome, entry = judge(before, event)
        if entry is not None:
            self[row.session_id] = entry
        return Applied(Outcome(outcome), entry_of(before))


def entry_of(entry: Entry | None) -> LedgerEntry | None:
    """Return the model's entry as the worker's `LedgerEntry`."""
    return entry and LedgerEntry(entry.revision, entry.event_id, Outcome(entry.outcome))


def apply_folded(batch: Sequence[Event], ledger: Ledger) -> list[Verdict]:
    """Return each event's verdict, reached by the steps of the write path."""
    groups = group_by_session(map(row_of, batch))
    results = [ledger.apply(events) for events in (rounds_of(groups) if groups else [])]
    judged = settlements_of(map(decoded, batch), resolve(groups, results))
    return [each.verdict for each in judged]


def calls_for(*events: Event) -> list[list[tuple[str, int]]]:
    """Return the sessions and revisions in each call."""
    rounds = rounds_of(group_by_session(map(row_of, events)))
    return [[(event.session_id, event.revision) for event in events] for events in rounds]


def write(revision: int, session: str = "a", expected: int | None = None) -> Event:
    return Event(session, revision, UUID(int=revision), False, expected)


def delete(revision: int, session: str = "a", expected: int | None = None) -> Event:
    return Event(session, revision, UUID(int=revision), True, expected)


def test_of_many_deletes_in_a_batch_the_first_alone_found_the_session() -> None:
    ledger = Ledger(a=Entry(1, UUID(int=1), "stored"))
    told = apply_folded([delete(2), delete(3), delete(4)], ledger)
    assert [verdict.outcome for verdict in told] == [DELETED, ABSENT, ABSENT]


@given(batches, batches)
@times(6)
def test_a_batch_has_the_outcomes_of_its_events_one_by_one(earlier: list[Event], batch: list[Event]) -> None:
    together = consistent([*earlier, *batch])
    earlier, batch = together[: len(earlier)], together[len(earlier) :]
    singles: dict[str, Entry] = {}
    verdicts_one_by_one(earlier, singles)
    folded = Ledger(singles)
    assert apply_folded(batch, folded) == verdicts_one_by_one(batch, singles)
    assert folded == singles


@given(batches, batches)
@times(3)
def test_what_is_foretold_of_a_batch_are_the_outcomes_of_its_events_one_by_one(
    earlier: list[Event], batch: list[Event]
) -> None:
    together = consistent([*earlier, *batch])
    earlier, batch = together[: len(earlier)], together[len(earlier) :]
    ledger = Ledger()
    verdicts_one_by_one(earlier, ledger)
    foretold: Verdicts = {}
    for group in group_by_session(map(row_of, batch)):
        foretold.update(group.predict(entry_of(ledger.get(group.session_id))))
    judged = settlements_of(map(decoded, batch), foretold)
    assert [each.verdict for each in judged] == verdicts_one_by_one(batch, ledger)


@given(batches)
@times(3)
def test_a_batch_delivered_again_changes_nothing(batch: list[Event]) -> None:
    ledger = Ledger()
    apply_folded(batch, ledger)
    after = dict(ledger)
    again = apply_folded(batch, ledger)
    assert ledger == after
    assert not {verdict.outcome for verdict in again} & {STORED, DELETED, ABSENT}


def test_writes_fold_into_the_last_of_each_session() -> None:
    assert calls_for(write(3), write(1, "b"), write(1), write(2)) == [[("a", 3), ("b", 1)]]


def test_a_delete_brings_the_event_before_it() -> None:
    assert calls_for(write(1), write(2), delete(3), write(1, "b")) == [[("a", 2), ("b", 1)], [("a", 3)]]


def test_an_expected_revision_is_applied_step_by_step() -> None:
    assert calls_for(write(1), write(2), write(3, expected=2), write(4)) == [
        [("a", revision)] for revision in (1, 2, 3, 4)
    ]


def test_a_repeat_is_applied_once() -> None:
    assert calls_for(write(1), write(1), write(1)) == [[("a", 1)]]


def test_sessions_are_in_one_order_whatever_the_order_of_delivery() -> None:
    given_sessions = ["b", "ä", "a", "B", "\U0001f9c2", "ﬀ"]
    calls = calls_for(*(write(1, session) for session in given_sessions))
    assert [session for session, _ in calls[0]] == sorted(given_sessions)


def test_a_write_folded_into_a_newer_write_is_stored_and_so_is_what_it_was_told() -> None:
    assert apply_folded([write(10), write(11), delete(12)], Ledger()) == [
        Verdict(STORED, 10),
        Verdict(STORED, 11),
        Verdict(DELETED, None),
    ]


def test_a_chain_of_expected_revisions_is_applied_as_a_whole() -> None:
    assert apply_folded(
        [write(11, expected=10), write(10, expected=0), write(12, expected=10)], Ledger()
    ) == [
        Verdict(STORED, 11),
        Verdict(STORED, 10),
        Verdict(Outcome.CONFLICT, 11),
    ]


@pytest.mark.parametrize(("event", "first"), [(write(1), STORED), (delete(1), ABSENT)])
def test_a_repeat_in_a_batch_is_told_what_the_first_was_told(event: Event, first: Outcome) -> None:
    one, two = apply_folded([event, event], Ledger())
    assert one.outcome is first
    assert two == Verdict(Outcome.DUPLICATE, one.revision, first=first)


def test_a_refused_delivery_keeps_its_verdict_and_what_could_be_read_of_it() -> None:
    refusal = Verdict.rejected(DeadLetterCode.BAD_TIME, "said why")
    document: dict[str, object] = {"id": "x" * 300, "subject": 7}
    batch: list[DecodedEvent | Settlement] = [
        decoded(write(1)),
        Settlement.without_event(deliver(b""), None, refusal, document),
    ]
    verdicts = resolve(group_by_session([row_of(write(1))]), [Ledger().apply([row_of(write(1))])])
    _, refused = settlements_of(batch, verdicts)
    assert (refused.verdict, refused.event_id, refused.subject) == (refusal, "x" * 255, None)
    assert refused.reply_address is None


@pytest.mark.parametrize(
    ("properties", "address"),
    [
        (Properties(reply_to="session.reply.1", correlation_id="7"), ("session.reply.1", "7")),
        (Properties(reply_to="session.reply.1"), None),
        (Properties(correlation_id="7"), None),
        (Properties(), None),
    ],
)
def test_only_a_sender_with_reply_to_and_correlation_id_asked_to_be_told(
    properties: Properties, address: tuple[str, str] | None
) -> None:
    verdict = Verdict.rejected(DeadLetterCode.BAD_JSON, "")
    assert Settlement.without_event(deliver(b""), properties, verdict, {}).reply_address == address
