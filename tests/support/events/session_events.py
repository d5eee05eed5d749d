"""Calls of `apply_session_events` for tests, and the contents of the tables afterwards."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import asyncpg

from tests.support.events.model import Entry, Event

APPLIED = ("stored", "deleted", "absent")
STARTED_AT = datetime(2025, 11, 7, 10, 30, tzinfo=UTC)
_CALL = "SELECT * FROM apply_session_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"


class Answer(NamedTuple):
    """The function's result for one event: its outcome, and the ledger's entry before it."""

    outcome: str
    prior: Entry | None


async def apply(connection: asyncpg.Connection, events: Sequence[Event]) -> dict[Event, Answer]:
    """Apply events of distinct sessions in one call, and return each one's answer."""
    rows = [_arguments(event) for event in events]
    records = await connection.fetch(_CALL, *(list(column) for column in zip(*rows, strict=True)))
    assert len(records) == len(events)
    answers = {record["session_id"]: Answer(record["outcome"], _prior(record)) for record in records}
    return {event: answers[event.session_id] for event in events}


async def apply_one(connection: asyncpg.Connection, event: Event) -> Answer:
    """Apply one event alone, and return its answer."""
    return (await apply(connection, [event]))[event]


async def apply_each(connection: asyncpg.Connection, events: Sequence[Event]) -> None:
    """Apply events one after the other."""
    for event in events:
        await apply_one(connection, event)


async def read_ledger(connection: asyncpg.Connection) -> dict[str, Entry]:
    """Return every session's last entry."""
    rows = await connection.fetch("SELECT session_id, revision, event_id, outcome FROM session_ledger")
    return {row["session_id"]: Entry(row["revision"], row["event_id"], row["outcome"]) for row in rows}


async def read_contents(connection: asyncpg.Connection) -> dict[str, tuple[object, ...]]:
    """Return every stored session, in the form of `content_of`."""
    rows = await connection.fetch(
        "SELECT session_id, revision, player_id, encounter, state, extra, started_at, completed_at FROM sessions"
    )
    return {
        row["session_id"]: (
            row["revision"],
            row["player_id"],
            *(row[name] and json.loads(row[name]) for name in ("encounter", "state", "extra")),
            row["started_at"],
            row["completed_at"],
        )
        for row in rows
    }


def content_of(event: Event) -> tuple[object, ...]:
    """Return the fields that a write stores; every one depends on the event."""
    odd = event.id.int % 2
    return (
        event.revision,
        f"player of {event.id}",
        {"difficulty": "hard" if odd else "easy", "written by": str(event.id)},
        {"written by": str(event.id), "emoji": "🧂"},
        {"plugin": str(event.id)} if odd else None,
        _start_of(event),
        STARTED_AT if odd else None,
    )


def _start_of(event: Event) -> datetime:
    """Return the start that an event writes; it differs from event to event, mostly by months."""
    return STARTED_AT + timedelta(days=40 * (event.id.int % 4), microseconds=event.id.int % 1_000_000)


def applied_chains(answers: Sequence[tuple[Event, Answer]]) -> dict[str, list[tuple[Event, Answer]]]:
    """Return each session's applied events in order; asserts that each found the one before it."""
    applied: dict[str, list[tuple[Event, Answer]]] = defaultdict(list)
    for event, answer in sorted(answers, key=lambda pair: pair[0][:3]):
        if answer.outcome in APPLIED:
            applied[event.session_id].append((event, answer))
    for chain in applied.values():
        assert chain[0][1].prior is None
        for (before, found), (_, answer) in pairwise(chain):
            assert answer.prior == Entry(before.revision, before.id, found.outcome)
    return applied


def _arguments(event: Event) -> tuple[object, ...]:
    head = (event.session_id, event.revision, event.id, event.expected, event.is_delete)
    if event.is_delete:
        return *head, *(None,) * 6
    _, player, encounter, state, extra, started_at, completed_at = content_of(event)
    texts = (json.dumps(encounter), json.dumps(state), extra and json.dumps(extra))
    return *head, player, *texts, started_at, completed_at


def _prior(record: asyncpg.Record) -> Entry | None:
    if record["prior_revision"] is None:
        return None
    return Entry(record["prior_revision"], record["prior_event_id"], record["prior_outcome"])
