"""Folds the events of a batch into as few rows as give the same outcomes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.ingest.ordering import decide, entry_after, verdict_of, verdict_of_repeat
from worker.outcome import Verdict
from worker.store.rows import Applied, EventRow, LedgerEntry

EventKey = tuple[str, int, int]
"""What makes an event itself: its session, revision and id, which sorts as a number as it does in PostgreSQL."""

Verdicts = dict[EventKey, Verdict]


def key_of(event: EventRow) -> EventKey:
    """Return the key of an event; two deliveries with one key are one event."""
    return event.session_id, event.revision, event.event_id.int


class SessionEvents(NamedTuple):
    """The distinct events of one session in a batch, in the order of the law."""

    session_id: str
    events: tuple[EventRow, ...]

    @property
    def steps(self) -> tuple[EventRow, ...]:
        """The events the database has to see.

        That is the last one alone: it wins over all before it. But whether a delete finds a session depends
        on the event before it, and the ledger keeps which: then the last two. And an event that expects a
        revision is judged against all that came before: then every step. So it is where not all before are writes
        of one player: whether that player was erased is seen by the database alone.
        """
        if any(event.expected_revision is not None for event in self.events):
            return self.events
        steps = self.events[-2:] if self.events[-1].is_delete else self.events[-1:]
        player = steps[0].player_id
        return (
            steps if all(event.player_id == player for event in self.events[: -len(steps)]) else self.events
        )

    def resolve(self, applied: Sequence[Applied]) -> Verdicts:
        """Return every event's verdict from what the database said of the steps.

        Of two deletes that follow others the database sees the last two, and takes the first of them for the one
        that found the session; before a delete that is a step there are only deletes, and replaying them is exact.
        """
        told = 1 if self.events[-len(applied)].is_delete and len(applied) < len(self.events) else len(applied)
        return self._verdicts([*self._replay(applied[0].before)[:-told], *applied[-told:]])

    def predict(self, entry: LedgerEntry | None) -> Verdicts:
        """Return every event's verdict, were they applied where the ledger says `entry`."""
        return self._verdicts(self._replay(entry))

    def _verdicts(self, judged: Sequence[Applied]) -> Verdicts:
        return {key_of(e): verdict_of(e, a) for e, a in zip(self.events, judged, strict=True)}

    def _replay(self, entry: LedgerEntry | None) -> list[Applied]:
        judged = []
        for event in self.events:
            applied = decide(entry, event)
            entry = entry_after(event, applied)
            judged.append(applied)
        return judged


class VerdictCursor:
    """Tells each delivery its verdict, in order; of one event delivered twice the second is the repeat."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self._told: set[EventKey] = set()

    def next(self, event: EventRow) -> Verdict:
        """Return the verdict of the next delivery, which holds this event."""
        key = key_of(event)
        verdict = self._verdicts[key]
        if key in self._told:
            return verdict_of_repeat(verdict)
        self._told.add(key)
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
    """Return the calls to make: the first step of every session, then the second of those that have one …"""
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
