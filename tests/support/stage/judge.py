"""Compares the sent events with the final state.

The judge works on values, without a server; it is itself tested with broken histories.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from tests.support.stage.history import Aftermath, Answer, Entry, History, Key, Row, Sent
from tests.support.stage.verdict import Report

APPLIED: Final = frozenset(("stored", "deleted", "absent"))


def judge(history: History, aftermath: Aftermath) -> Report:
    """Return the end of every event, and every promise that was broken."""
    return Judge(history, aftermath).judge()


class Judge:
    """Compares one history with one aftermath."""

    def __init__(self, history: History, aftermath: Aftermath) -> None:
        self._history = history
        self._after = aftermath
        self._report = Report(attempted=len(history.sent), confirmed=len(history.confirmed))

    def judge(self) -> Report:
        """Return the report."""
        for event in self._history.sent.values():
            self._account(event)
        for session_id in self._greatest.keys() | self._after.ledger.keys() | self._after.rows.keys():
            self._judge_session(session_id)
        self._judge_dead_letters()
        self._judge_answers()
        if self._after.waiting:
            self._report.breach("unaccounted", f"{self._after.waiting} messages still wait in the queues")
        return self._report

    @cached_property
    def _dead(self) -> dict[str, set[str]]:
        codes: dict[str, set[str]] = defaultdict(set)
        for letter in self._after.dead:
            codes[letter.number].add(letter.code)
        return codes

    @cached_property
    def _by_key(self) -> dict[tuple[str, Key], Sent]:
        return {(event.session_id, event.key): event for event in self._history.sent.values() if event.key}

    @cached_property
    def _greatest(self) -> dict[str, Sent]:
        """The greatest event of each session that must have been applied, unless a greater one was."""
        greatest: dict[str, Sent] = {}
        for event in self._history.sent.values():
            if self._must_count(event):
                known = greatest.get(event.session_id)
                if known is None or _key(known) < _key(event):
                    greatest[event.session_id] = event
        return greatest

    def _must_count(self, event: Sent) -> bool:
        """Return whether the event must have been applied; if conditional, only a confirmation shows it."""
        if event.key is None:
            return False
        if any(_was_applied(answer) for answer in self._history.answers.get(event.number, ())):
            return True
        return event.expected is None and event.number in self._history.confirmed

    def _account(self, event: Sent) -> None:
        """Count the event under the one place where it ended."""
        entry = self._after.ledger.get(event.session_id)
        confirmed = event.number in self._history.confirmed
        if event.key is None or event.number in self._dead:
            kind = "dead_lettered" if event.number in self._dead else "unaccounted"
        elif entry and entry.key >= event.key:
            kind = self._place_of(event, entry)
        elif self._must_count(event):
            kind = "lost"
        else:
            kind = "conflict" if self._conflicted(event) else "unaccounted"
        if kind == "unaccounted" and not confirmed:
            kind = "never_arrived"
        self._report.count(kind, f"event {event.number} of {event.session_id}: {event.key or event.code}")

    def _place_of(self, event: Sent, entry: Entry) -> str:
        if entry.key != event.key:
            return "superseded"
        return (
            "lost"
            if entry.outcome == "stored" and event.session_id not in self._after.rows
            else entry.outcome
        )

    def _conflicted(self, event: Sent) -> bool:
        return any(answer.outcome == "conflict" for answer in self._history.answers.get(event.number, ()))

    def _judge_session(self, session_id: str) -> None:
        entry, row = self._after.ledger.get(session_id), self._after.rows.get(session_id)
        must = self._greatest.get(session_id)
        winner = self._by_key.get((session_id, entry.key)) if entry else None
        if must and entry and entry.key < _key(must):
            self._report.breach("stale", f"{session_id} is at {entry.key}, behind {must.key}")
        if must and must.is_delete and row and row.revision < _key(must).revision:
            self._report.breach(
                "resurrected", f"{session_id} is there at {row.revision}, deleted at {must.key}"
            )
        elif row and (entry is None or entry.outcome != "stored"):
            kind = "resurrected" if entry else "unexpected"
            self._report.breach(kind, f"{session_id} has a row; the ledger says {entry}")
        if entry and winner is None:
            self._report.breach("unexpected", f"{session_id} is at {entry.key}, which nobody sent")
        if entry and winner:
            self._judge_winner(winner, entry, row)

    def _judge_winner(self, winner: Sent, entry: Entry, row: Row | None) -> None:
        if winner.is_delete != (entry.outcome in ("deleted", "absent")):
            self._report.breach(
                "stale", f"{winner.session_id}: the ledger calls {winner.number} {entry.outcome}"
            )
        elif entry.outcome == "stored" and row and row != Row(entry.key.revision, winner.content):
            self._report.breach("stale", f"{winner.session_id} holds {row}, not what {winner.number} wrote")

    def _judge_dead_letters(self) -> None:
        for number, codes in self._dead.items():
            event = self._history.sent.get(number)
            if event is None:
                self._report.breach("unexpected", f"a dead letter {number} that nobody sent: {codes}")
            elif event.key is not None and not self._may_conflict(event, codes):
                self._report.breach("innocent_dead_letters", f"event {number} is valid: {codes}")
            elif event.key is None and codes != {event.code}:
                self._report.breach("misjudged", f"event {number} is {event.code}, told {codes}")
        copies = Counter(letter.number for letter in self._after.dead)
        self._report.repeated_dead_letters = sum(copies.values()) - len(copies)

    def _may_conflict(self, event: Sent, codes: Iterable[str]) -> bool:
        return event.expected is not None and not event.asks and set(codes) == {"conflict"}

    def _judge_answers(self) -> None:
        for event in self._history.unanswered():
            if event.number in self._history.confirmed:
                self._report.breach("unanswered", f"event {event.number}")
        for number, answers in self._history.answers.items():
            asked = self._history.sent.get(number)
            if asked is None or not asked.asks:
                self._report.breach("unexpected", f"an answer that nobody asked for: {answers}")
            else:
                self._judge_told(asked, answers)

    def _judge_told(self, event: Sent, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if event.key and answer.event_id != str(event.key.event_id):
                self._report.breach("misjudged", f"{event.number} was told about {answer.event_id}")
            elif (answer.outcome == "rejected") != (event.key is None):
                self._report.breach("misjudged", f"{event.number} was told {answer.outcome}")
            elif answer.outcome == "conflict" and event.expected is None:
                self._report.breach("misjudged", f"{event.number} expected nothing and was told conflict")


def _was_applied(answer: Answer) -> bool:
    return answer.outcome in APPLIED or (answer.outcome == "duplicate" and answer.first in APPLIED)


def _key(event: Sent) -> Key:
    if event.key is None:
        raise AssertionError(f"event {event.number} is invalid and has no place in the order")
    return event.key
