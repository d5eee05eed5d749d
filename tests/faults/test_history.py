"""The judge finds every kind of breach, and none in a correct run."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from uuid import UUID

import pytest

from tests.support.stage.events import make_event, spoil
from tests.support.stage.history import Aftermath, Answer, DeadLetter, Entry, History, Key, Row, Sent
from tests.support.stage.judge import judge
from tests.support.stage.stream import Stream
from worker.broker.delivery import Delivery, Properties
from worker.ingest.decode import decode
from worker.ingest.document import InvalidEvent

LARGEST = 1_048_576


def event(revision: int, number: int = 1, *, session_id: str = "s", **options: bool | int) -> Sent:
    key = Key(revision, UUID(int=revision * 100 + number))
    is_delete, expected = bool(options.get("is_delete")), options.get("expected")
    made = make_event(session_id, key, random.Random(revision), is_delete=is_delete, expected=expected)
    return replace(made, asks=bool(options.get("asks")))


def invalid(revision: int = 7) -> Sent:
    return spoil(event(revision), random.Random(1))


def history_of(*events: Sent, unconfirmed: tuple[Sent, ...] = ()) -> History:
    history = History()
    for each in (*events, *unconfirmed):
        history.note_attempt(each)
    history.confirmed.update(each.number for each in events)
    return history


def after(winner: Sent | None = None, outcome: str = "stored", **options: object) -> Aftermath:
    ledger, rows = {}, {}
    if winner is not None and winner.key is not None:
        ledger[winner.session_id] = Entry(winner.key, outcome)
        if outcome == "stored":
            rows[winner.session_id] = Row(winner.key.revision, winner.content)
    return replace(Aftermath(ledger, rows), **options)  # type: ignore[arg-type]


def told(history: History, event: Sent, outcome: str, first: str | None = None) -> History:
    history.note_answer(Answer(event.number, event.key and str(event.key.event_id), outcome, first))
    return history


def breaches(history: History, aftermath: Aftermath) -> dict[str, int]:
    return judge(history, aftermath).breaches


def test_a_run_without_a_fault_is_clean_and_every_event_is_counted_once() -> None:
    bad, gone = invalid(), event(5, session_id="gone", is_delete=True)
    history = history_of(event(1), event(2), bad, gone, unconfirmed=(event(1, 3, session_id="other"),))
    found = after(event(2), dead=(DeadLetter(bad.number, bad.code or ""),))
    ledger = {**found.ledger, "gone": Entry(gone.key or Key(0, UUID(int=0)), "absent")}
    report = judge(history, replace(found, ledger=ledger))
    assert report.is_clean, str(report)
    counts = (report.stored, report.superseded, report.dead_lettered, report.deleted, report.never_arrived)
    assert counts == (1, 1, 1, 1, 1)
    assert (report.attempted, report.confirmed) == (5, 4)


def test_an_event_that_was_not_confirmed_may_be_there() -> None:
    assert not breaches(history_of(event(1), unconfirmed=(event(2),)), after(event(2)))


def test_a_confirmed_event_without_a_trace_is_lost() -> None:
    assert breaches(history_of(event(1)), after()) == {"lost": 1}


def test_a_row_that_is_missing_is_a_lost_event() -> None:
    assert breaches(history_of(event(1)), replace(after(event(1)), rows={})) == {"lost": 1}


def test_a_greater_confirmed_event_that_did_not_win_is_lost_and_its_session_stale() -> None:
    assert breaches(history_of(event(1), event(2)), after(event(1))) == {"lost": 1, "stale": 1}


def test_of_equal_revisions_the_greater_id_must_win() -> None:
    first, second = event(1, 1), event(1, 2)
    assert not breaches(history_of(first, second), after(second))
    assert breaches(history_of(first, second), after(first)) == {"lost": 1, "stale": 1}


def test_an_event_whose_publisher_was_told_that_it_was_applied_must_be_there() -> None:
    conditional = event(2, expected=1, asks=True)
    history = told(history_of(event(1), conditional), conditional, "duplicate", "stored")
    assert breaches(history, after(event(1))) == {"lost": 1, "stale": 1}


@pytest.mark.parametrize("content", [b"", b"[]", event(2).content])
def test_a_row_that_differs_in_any_field_is_stale(content: bytes) -> None:
    found = replace(after(event(1)), rows={"s": Row(1, content)})
    assert breaches(history_of(event(1)), found) == {"stale": 1}


def test_a_row_at_another_revision_than_the_ledger_is_stale() -> None:
    found = replace(after(event(2)), rows={"s": Row(1, event(2).content)})
    assert breaches(history_of(event(1), event(2)), found) == {"stale": 1}


def test_a_ledger_that_takes_a_delete_for_a_write_is_stale() -> None:
    gone = event(1, is_delete=True)
    assert breaches(history_of(gone), after(gone, "stored")) == {"stale": 1}


def test_a_row_older_than_its_delete_is_resurrected() -> None:
    gone, late = event(2, is_delete=True), event(1)
    found = replace(after(gone, "deleted"), rows={"s": Row(1, late.content)})
    assert breaches(history_of(gone, late), found) == {"resurrected": 1}


def test_a_late_write_that_took_the_place_of_a_delete_is_resurrected_and_the_delete_lost() -> None:
    gone, late = event(2, is_delete=True), event(1)
    assert breaches(history_of(gone, late), after(late)) == {"lost": 1, "stale": 1, "resurrected": 1}


def test_a_write_newer_than_the_delete_may_bring_the_session_back() -> None:
    assert not breaches(history_of(event(1, is_delete=True), event(2)), after(event(2)))


@pytest.mark.parametrize("found", [after(event(9)), replace(after(event(9)), ledger={})])
def test_a_row_that_nobody_sent_is_unexpected(found: Aftermath) -> None:
    assert breaches(history_of(), found) == {"unexpected": 1}


def test_an_invalid_event_that_is_nowhere_is_unaccounted() -> None:
    assert breaches(history_of(invalid()), after()) == {"unaccounted": 1}


def test_a_conflict_that_nobody_was_told_of_must_be_in_the_dead_letter_queue() -> None:
    conditional = event(2, expected=9)
    history = history_of(event(1), conditional)
    assert breaches(history, after(event(1))) == {"unaccounted": 1}
    assert not breaches(history, after(event(1), dead=(DeadLetter(conditional.number, "conflict"),)))


def test_a_conflict_that_was_told_is_accounted_for() -> None:
    conditional = event(2, expected=9, asks=True)
    history = told(history_of(event(1), conditional), conditional, "conflict")
    assert not breaches(history, after(event(1)))


def test_messages_that_still_wait_are_unaccounted() -> None:
    assert breaches(history_of(event(1)), after(event(1), waiting=3)) == {"unaccounted": 1}


@pytest.mark.parametrize("code", ["delivery_limit", "bad_json", "conflict"])
def test_a_valid_event_in_the_dead_letter_queue_is_innocent(code: str) -> None:
    dead = (DeadLetter(event(1).number, code),)
    assert breaches(history_of(event(1)), after(event(1), dead=dead)) == {"innocent_dead_letters": 1}


def test_a_dead_letter_that_nobody_sent_is_unexpected() -> None:
    assert breaches(history_of(), after(dead=(DeadLetter("?", "bad_json"),))) == {"unexpected": 1}


def test_a_dead_letter_with_the_wrong_code_is_misjudged() -> None:
    dead = (DeadLetter(invalid().number, "delivery_limit"),)
    assert breaches(history_of(invalid()), after(dead=dead)) == {"misjudged": 1}


def test_a_dead_letter_that_is_there_twice_is_counted_and_no_breach() -> None:
    bad = invalid()
    report = judge(history_of(bad), after(dead=(DeadLetter(bad.number, bad.code or ""),) * 2))
    assert (report.is_clean, report.repeated_dead_letters, report.dead_lettered) == (True, 1, 1)


def test_a_question_without_an_answer_is_unanswered() -> None:
    asked = event(1, asks=True)
    assert breaches(history_of(asked), after(asked)) == {"unanswered": 1}
    assert not breaches(told(history_of(asked), asked, "stored"), after(asked))


def test_an_answer_that_nobody_asked_for_is_unexpected() -> None:
    assert breaches(told(history_of(event(1)), event(1), "stored"), after(event(1))) == {"unexpected": 1}


@pytest.mark.parametrize("outcome", ["rejected", "conflict"])
def test_an_answer_that_cannot_be_true_is_misjudged(outcome: str) -> None:
    asked = event(1, asks=True)
    assert breaches(told(history_of(asked), asked, outcome), after(asked)) == {"misjudged": 1}


def test_an_answer_about_another_event_is_misjudged() -> None:
    asked = event(1, asks=True)
    history = history_of(asked)
    history.note_answer(Answer(asked.number, str(UUID(int=4)), "stored"))
    assert breaches(history, after(asked)) == {"misjudged": 1}


def test_one_seed_gives_one_stream_with_everything_in_it() -> None:
    first, second = (list(islice(Stream(3, 50), 4000)) for _ in range(2))
    assert first == second
    assert len({each.number for each in first}) < len(first)
    valid = [each for each in first if each.key]
    assert any(each.expected is not None for each in valid)
    assert any(each.is_delete for each in valid)
    assert any(each.asks for each in valid)
    revisions = [each.key.revision for each in valid if each.key and each.session_id == first[0].session_id]
    assert revisions != sorted(revisions)


def test_every_event_of_the_stream_is_what_it_says(decoded: Callable[[Sent], str | None]) -> None:
    codes = set()
    for each in islice(Stream(4, 50), 12_000):
        assert decoded(each) == each.code
        codes.add(each.code)
    assert len(codes) == 11, codes


@pytest.fixture
def decoded() -> Callable[[Sent], str | None]:
    """Return a function that gives the code with which the worker refuses an event, None for a valid one."""

    def decoded(event: Sent) -> str | None:
        try:
            delivery = Delivery("q", 1, False, event.routing_key, b"", event.body)
            decode(delivery, Properties(), LARGEST)
        except InvalidEvent as refused:
            return refused.code.value
        return None

    return decoded
