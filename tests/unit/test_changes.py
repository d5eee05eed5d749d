"""The changes that a batch publishes, and those that a subscriber takes."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson
import pytest
from hypothesis import given

from contracts.changes import CHANGE, LAST, SessionDeleted, SessionStored, removal_id
from contracts.client.changes import NewestSeen
from contracts.outcomes import Outcome
from tests.support.events.batches import batches, consistent, decoded
from tests.support.events.model import Entry, Event
from tests.support.examples import times
from tests.unit.test_fold import Ledger
from worker.ingest.changes import changes_of, messages_of
from worker.ingest.deliveries import Settlement, settlements_of
from worker.ingest.fold import group_by_session, resolve, rounds_of
from worker.store.rows import EventRow

Told = Mapping[str, tuple[str, int, UUID]]


def settle(batch: Sequence[Event], ledger: Ledger) -> list[Settlement]:
    """Apply a batch to the ledger, and return the settlements of the write path."""
    each = [decoded(event) for event in batch]
    groups = group_by_session([one.event for one in each])
    return settlements_of(each, resolve(groups, [ledger.apply(rows) for rows in rounds_of(groups)]))


def told_of(judged: Sequence[Settlement]) -> Told:
    """Return the published change of each session; there is at most one."""
    changes = [CHANGE.validate_json(message.body) for message in changes_of(judged, "test")]
    told = {change.subject: (change.type, change.data.revision, change.id) for change in changes}
    assert len(told) == len(changes)
    return told


def expected_of(ledger: Ledger) -> Told:
    words = {"stored": "session.stored", "deleted": "session.deleted", "absent": "session.deleted"}
    return {name: (words[each.outcome], each.revision, each.event_id) for name, each in ledger.items()}


@given(batches, batches)
@times(3)
def test_the_last_state_is_told_by_whoever_brought_it_about_also_after_a_crash(
    earlier: list[Event], batch: list[Event]
) -> None:
    together = consistent([*earlier, *batch])
    earlier, batch = together[: len(earlier)], together[len(earlier) :]
    if not earlier or not batch:
        return
    ledger = Ledger()
    settle(earlier, ledger)  # the worker died before it published the changes
    before = Ledger(ledger)
    told = told_of(settle(batch, ledger))
    changed = {name for name, entry in ledger.items() if entry != before.get(name)}
    assert changed <= told.keys()
    again = {**told, **told_of(settle(earlier, ledger))}
    assert again == expected_of(ledger)


def test_an_absent_delete_is_told_for_the_one_before_it_may_never_be() -> None:
    ledger = Ledger(a=Entry(1, UUID(int=1), "stored"))
    first, second = Event("a", 2, UUID(int=2), True), Event("a", 3, UUID(int=3), True)
    settle([first], ledger)  # the worker died before it published the change
    told = told_of(settle([second], ledger))
    assert told == {"a": ("session.deleted", 3, UUID(int=3))}
    assert told_of(settle([first], ledger)) == {}


def test_what_changes_nothing_is_not_told() -> None:
    ledger = Ledger(a=Entry(5, UUID(int=5), "stored"))
    late, failed = Event("a", 4, UUID(int=4)), Event("a", 6, UUID(int=6), expected=3)
    judged = settle([late, failed], ledger)
    assert [each.verdict.outcome for each in judged] == [Outcome.SUPERSEDED, Outcome.CONFLICT]
    assert changes_of(judged, "test") == []


def test_a_write_that_an_erasure_keeps_out_is_told_as_a_removal() -> None:
    ledger = Ledger(a=Entry(9, LAST, "absent"))
    told = told_of(settle([Event("a", 7, UUID(int=7))], ledger))
    assert told == {"a": ("session.deleted", 7, removal_id("a", 7))}
    assert told_of(settle([Event("a", 8, UUID(int=8), True)], ledger)) == {}  # nothing keeps a delete out


def test_each_removal_has_an_id_of_its_own_after_every_event_of_its_revision() -> None:
    rows = [EventRow(name, number, LAST, None, True) for name, number in (("a", 1), ("b", 1), ("a", 2))]
    ids = {UUID(orjson.loads(message.body)["id"]) for message in messages_of(rows, "test")}
    assert len(ids) == 3
    assert min(ids) > UUID("ffffffff-fffe-ffff-ffff-ffffffffffff")


def change(subject: str, revision: int, number: int, kind: str = "deleted") -> SessionStored | SessionDeleted:
    return CHANGE.validate_python(
        {
            "specversion": "1.0",
            "id": str(UUID(int=number)),
            "source": "test",
            "type": f"session.{kind}",
            "subject": subject,
            "data": {"revision": revision},
        }
    )


@pytest.mark.parametrize(
    ("revision", "number", "is_newer"), [(6, 1, True), (5, 3, True), (5, 2, False), (4, 9, False)]
)
def test_only_what_is_newer_by_revision_and_then_id_is_taken(
    revision: int, number: int, is_newer: bool
) -> None:
    newest = NewestSeen()
    assert newest.advance(change("a", 5, 2))
    assert newest.advance(change("b", 1, 1))
    assert newest.advance(change("a", revision, number)) is is_newer


def test_of_all_sessions_the_ones_that_changed_last_are_remembered() -> None:
    newest = NewestSeen(2)
    for name in ("a", "b"):
        assert newest.advance(change(name, 5, 1))
    assert newest.advance(change("a", 6, 1))
    assert newest.advance(change("c", 5, 1))
    assert not newest.advance(change("a", 6, 1))
    assert newest.advance(change("b", 5, 1))
