"""In a run of thousands of events the judge finds one event that was lost, made stale, resurrected or misplaced."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

import pytest

from tests.support.events.model import Entry as ModelEntry
from tests.support.events.model import Event
from tests.support.events.model import judge as apply
from tests.support.stage.history import Aftermath, Answer, DeadLetter, Entry, History, Key, Row, Sent
from tests.support.stage.judge import judge
from tests.support.stage.stream import Stream

EVENTS: Final = 2_000
SESSIONS: Final = 200
Run = tuple[History, Aftermath]


@pytest.fixture(params=range(2))
def draw(request: pytest.FixtureRequest) -> random.Random:
    """Return the random source that chooses the events of the run and the damaged one."""
    return random.Random(request.param)


@pytest.fixture
def run(draw: random.Random) -> Run:
    """Return a run with every publish confirmed, and the state that follows by the order law."""
    history, entries, dead = History(), dict[str, ModelEntry](), dict[str, DeadLetter]()
    for event in islice(Stream(draw.getrandbits(64), SESSIONS), EVENTS):
        history.note_attempt(event)
        history.confirmed.add(event.number)
        if event.key is None:
            dead[event.number] = DeadLetter(event.number, event.code or "")
            told = "rejected"
        else:
            told, entry = apply(entries.get(event.session_id), _modelled(event, event.key))
            if entry:
                entries[event.session_id] = entry
            if told == "conflict" and not event.asks:
                dead[event.number] = DeadLetter(event.number, told)
        if event.asks:
            history.note_answer(
                Answer(event.number, event.key and event.number, told, _first(entries, event))
            )
    return history, _aftermath(history, entries, tuple(dead.values()))


def _modelled(event: Sent, key: Key) -> Event:
    return Event(event.session_id, key.revision, key.event_id, event.is_delete, event.expected)


def _first(entries: dict[str, ModelEntry], event: Sent) -> str | None:
    entry = entries.get(event.session_id)
    return entry.outcome if entry and str(entry.event_id) == event.number else None


def _aftermath(history: History, entries: dict[str, ModelEntry], dead: tuple[DeadLetter, ...]) -> Aftermath:
    ledger = {
        name: Entry(Key(entry.revision, entry.event_id), entry.outcome) for name, entry in entries.items()
    }
    rows = {
        name: Row(entry.revision, history.sent[str(entry.event_id)].content)
        for name, entry in entries.items()
        if entry.outcome == "stored"
    }
    return Aftermath(ledger, rows, dead)


def test_every_confirmed_event_of_a_whole_run_is_counted_in_one_place(run: Run) -> None:
    history, found = run
    report = judge(history, found)
    assert report.is_clean, report
    assert report.confirmed == report.attempted == len(history.confirmed) > EVENTS / 2
    places = (report.stored, report.deleted, report.superseded, report.conflict, report.dead_lettered)
    assert sum(places) == report.confirmed
    assert all((report.stored, report.deleted, report.superseded, report.dead_lettered)), report.lines()


Damage = Callable[[History, Aftermath, random.Random], Aftermath]


def lose_a_session(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Remove every trace of a session whose greatest event was confirmed."""
    lost = draw.choice(_stored_for_sure(history, found))
    ledger, rows = dict(found.ledger), dict(found.rows)
    del ledger[lost], rows[lost]
    return replace(found, ledger=ledger, rows=rows)


def lose_the_last_event(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Set a session back to the event before its last one, which was confirmed and is then nowhere."""
    name = draw.choice(_stored_for_sure(history, found))
    last = found.ledger[name].key
    event = max(_earlier(history, name, last), key=lambda each: each.key or last)
    return _put(found, event)


def keep_an_old_content(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Put the fields of an earlier event into a row whose ledger entry has the last event."""
    name = draw.choice(_stored_for_sure(history, found))
    old = draw.choice(_earlier(history, name, found.ledger[name].key))
    return replace(found, rows={**found.rows, name: Row(found.rows[name].revision, old.content)})


def bring_a_deleted_session_back(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Add a row of an earlier write beside the ledger's delete."""
    gone = [name for name, entry in found.ledger.items() if entry.outcome == "deleted"]
    name = draw.choice([each for each in gone if _earlier(history, each, found.ledger[each].key)])
    late = _earlier(history, name, found.ledger[name].key)[0]
    return replace(found, rows={**found.rows, name: Row(late.key.revision if late.key else 0, late.content)})


def drop_a_dead_letter(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Remove the dead letter of an invalid event, as if the event was only acknowledged."""
    dropped = draw.choice([letter for letter in found.dead if history.sent[letter.number].key is None])
    return replace(found, dead=tuple(letter for letter in found.dead if letter != dropped))


def dead_letter_a_valid_event(history: History, found: Aftermath, draw: random.Random) -> Aftermath:
    """Add a dead letter of a valid event, as by the broker's delivery limit."""
    valid = [event for event in history.sent.values() if event.key and event.expected is None]
    return replace(found, dead=(*found.dead, DeadLetter(draw.choice(valid).number, "delivery_limit")))


@pytest.mark.parametrize(
    ("damage", "breaches"),
    [
        (lose_a_session, {"lost"}),
        (lose_the_last_event, {"lost", "stale"}),
        (keep_an_old_content, {"stale"}),
        (bring_a_deleted_session_back, {"resurrected"}),
        (drop_a_dead_letter, {"unaccounted"}),
        (dead_letter_a_valid_event, {"innocent_dead_letters"}),
    ],
)
def test_one_damage_among_thousands_of_events_is_found(
    run: Run, draw: random.Random, damage: Damage, breaches: set[str]
) -> None:
    history, found = run
    report = judge(history, damage(history, found, draw))
    assert breaches <= report.breaches.keys(), report


def _stored_for_sure(history: History, found: Aftermath) -> list[str]:
    """Return the sessions whose last event expected no revision and has an earlier write before it."""
    return [
        name
        for name, entry in found.ledger.items()
        if entry.outcome == "stored"
        and history.sent[str(entry.key.event_id)].expected is None
        and _earlier(history, name, entry.key)
    ]


def _earlier(history: History, name: str, last: Key) -> list[Sent]:
    events = [each for each in history.sent.values() if each.session_id == name and each.expected is None]
    return [each for each in events if each.key and each.key < last and not each.is_delete]


def _put(found: Aftermath, event: Sent) -> Aftermath:
    assert event.key
    ledger = {**found.ledger, event.session_id: Entry(event.key, "stored")}
    rows = {**found.rows, event.session_id: Row(event.key.revision, event.content)}
    return replace(found, ledger=ledger, rows=rows)
