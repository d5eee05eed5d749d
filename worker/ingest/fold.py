"""Folds the events of a batch into the fewest rows that give the same outcomes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.ingest.ordering import decide, entry_after, verdict_of, verdict_of_repeat
from worker.outcome import Verdict
from worker.store.rows import Applied, EventRow, LedgerEntry

EventKey = tuple[str, int, int]
"""The identity of an event: its session, its revision, and its id as a number, which sorts as PostgreSQL sorts it."""

Verdicts = dict[EventKey, Verdict]


def key_of(event: EventRow) -> EventKey:
    """Return the key of an event; two deliveries with one key are one event."""
    return event.session_id, event.revision, event.event_id.int


class SessionEvents(NamedTuple):
    """The distinct events of one session in a batch, in the order of revision and id."""

    session_id: str
    events: tuple[EventRow, ...]

    @property
    def steps(self) -> tuple[EventRow, ...]:
        """The events that the database has to apply.

        Usually the last event alone, because it wins over all events before it. The last two where the last is a
        delete: the event before it decides whether the delete finds a session, and the ledger keeps which. All events
        where one expects a revision, because that is compared with the event before it. All events too where the
        earlier ones are not of the last one's player: only the database knows whether a player is erased.
        """
        if len(self.events) == 1 or any(event.expected_revision is not None for event in self.events):
            return self.events
        steps = self.events[-2:] if self.events[-1].is_delete else self.events[-1:]
        player = steps[0].player_id
        return (
            steps if all(event.player_id == player for event in self.events[: -len(steps)]) else self.events
        )

    def resolve(self, applied: Sequence[Applied]) -> Verdicts:
        """Return every event's verdict from the database's decisions on the steps.

        Of three or more deletes in a row the database applies the last two, and takes the first of these for the one
        that found the session. So only the last decision is kept and the others are replayed, which is exact: the
        events before such a delete are deletes too.
        """
        if len(applied) == len(self.events):
            return self._verdicts(applied)
        kept = 1 if self.events[-len(applied)].is_delete else len(applied)
        return self._verdicts([*self._replay(applied[0].before)[:-kept], *applied[-kept:]])

    def predict(self, entry: LedgerEntry | None) -> Verdicts:
        """Return every event's verdict as if the events were applied to a session whose ledger entry is `entry`."""
        return self._verdicts(self._replay(entry))

    def _verdicts(self, decisions: Sequence[Applied]) -> Verdicts:
        return {key_of(e): verdict_of(e, a) for e, a in zip(self.events, decisions, strict=True)}

    def _replay(self, entry: LedgerEntry | None) -> list[Applied]:
        decisions = []
        for event in self.events:
            applied = decide(entry, event)
            entry = entry_after(event, applied)
            decisions.append(applied)
        return decisions


class VerdictCursor:
    """Gives each delivery its verdict, in order; of an event delivered twice the second delivery is a repeat."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self._seen: set[EventKey] = set()

    def next(self, event: EventRow) -> Verdict:
        """Return the verdict of the next delivery, which holds this event."""
        key = key_of(event)
        verdict = self._verdicts[key]
        if key in self._seen:
            return verdict_of_repeat(verdict)
        self._seen.add(key)
        return verdict


def group_by_session(events: Iterable[EventRow]) -> list[SessionEvents]:
    """Return the distinct events by session, sessions sorted by id: the one order in which rows are locked."""
    groups: dict[str, dict[EventKey, EventRow]] = defaultdict(dict)
    for event in events:
        groups[event.session_id].setdefault(key_of(event), event)
    return [
        SessionEvents(session_id, tuple(group[key] for key in sorted(group)))
        for session_id, group in sorted(groups.items())
    ]


def rounds_of(groups: Sequence[SessionEvents]) -> list[list[EventRow]]:
    """Return the rounds to apply: the first step of every session, then the second of those that have one …"""
    steps = [group.steps for group in groups]
    longest = max(map(len, steps))
    return [[step[turn] for step in steps if len(step) > turn] for turn in range(longest)]


def resolve(groups: Sequence[SessionEvents], results: Sequence[Mapping[str, Applied]]) -> Verdicts:
    """Return every event's verdict from the results of the rounds."""
    verdicts: Verdicts = {}
    for group in groups:
        applied = [result[group.session_id] for result in results if group.session_id in result]
        verdicts.update(group.resolve(applied))
    return verdicts
