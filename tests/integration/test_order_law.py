"""The SQL function against the model: alone, in any order, and many at once."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events.model import Entry, Event, judge
from tests.support.events.session_events import (
    APPLIED,
    Answer,
    applied_chains,
    apply,
    apply_one,
    content_of,
    read_contents,
    read_ledger,
)
from tests.support.examples import times_on_one_database
from tests.support.servers.layouts import on_both_layouts

pytestmark = on_both_layouts

# All examples of a test share its database: each one rolls back, or empties the tables first.

# Few sessions, revisions and ids, so that ties and repeats are common.
sessions = st.sampled_from(["a", "b", "ä", "sess_0f3c9a"])
revisions = st.integers(1, 4)
ids = st.integers(1, 3).map(lambda n: UUID(int=n << 64 | n))
plain_events = st.builds(Event, sessions, revisions, ids, st.booleans(), st.none())
events = st.builds(Event, sessions, revisions, ids, st.booleans(), st.none() | st.integers(0, 4))
batches = st.lists(events, min_size=1, max_size=4, unique_by=lambda event: event.session_id)


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    async with AsyncExitStack() as stack:
        opened = [await asyncpg.connect(database_url) for _ in range(4)]
        for connection in opened:
            stack.push_async_callback(connection.close)
            await connection.execute("SET synchronous_commit = off")
        yield opened


@given(st.lists(batches, max_size=12))
@times_on_one_database(3)
async def test_every_outcome_is_the_models(
    connection: asyncpg.Connection, given_batches: list[list[Event]]
) -> None:
    ledger: dict[str, Entry] = {}
    contents: dict[str, tuple[object, ...]] = {}
    async with rolled_back(connection):
        for batch in given_batches:
            answers = await apply(connection, batch)
            for event in batch:
                prior = ledger.get(event.session_id)
                outcome, entry = judge(prior, event)
                assert answers[event] == Answer(outcome, prior)
                note(event, outcome, entry, ledger, contents)
        assert await read_ledger(connection) == ledger
        assert await read_contents(connection) == contents


@given(st.lists(plain_events, min_size=1, max_size=10), st.data())
@times_on_one_database(2)
async def test_any_order_and_any_repetition_end_in_the_same_state(
    connection: asyncpg.Connection, given_events: list[Event], data: st.DataObject
) -> None:
    given_events = consistent(given_events)
    repeated = given_events + data.draw(st.lists(st.sampled_from(given_events), max_size=5))
    shuffled = data.draw(st.permutations(repeated))
    assert await state_after(connection, shuffled) == await state_after(
        connection, sorted(given_events, key=lambda event: event[:3])
    )


@given(st.lists(events, min_size=8, max_size=40), st.integers(0, 2**32))
@times_on_one_database(1)
async def test_many_connections_at_once_apply_each_event_once_and_in_order(
    connections: list[asyncpg.Connection], given_events: list[Event], seed: int
) -> None:
    await connections[0].execute("DELETE FROM sessions; DELETE FROM session_ledger")
    given_events = consistent(given_events)
    shares = dealt(given_events * 2, len(connections), random.Random(seed))
    replies = await asyncio.gather(*map(apply_all, connections, shares))
    answers = [answer for reply in replies for answer in reply]

    assert len(answers) == 2 * len(given_events)
    assert all(judge(answer.prior, event)[0] == answer.outcome for event, answer in answers)
    contents, ledger = {}, {}
    for session_id, chain in applied_chains(answers).items():
        last, answer = chain[-1]
        ledger[session_id] = Entry(last.revision, last.id, answer.outcome)
        if not last.is_delete:
            contents[session_id] = content_of(last)
    assert await read_ledger(connections[0]) == ledger
    assert await read_contents(connections[0]) == contents
    assert_greatest_won(given_events, ledger)


async def test_a_late_write_never_brings_a_deleted_session_back(connection: asyncpg.Connection) -> None:
    write, delete = Event("a", 1, UUID(int=1)), Event("a", 2, UUID(int=2), is_delete=True)
    newer = Event("a", 3, UUID(int=3))
    gone = Entry(2, delete.id, "absent")
    assert await apply_one(connection, delete) == Answer("absent", None)
    assert await apply_one(connection, write) == Answer("superseded", gone)
    assert await apply_one(connection, newer) == Answer("stored", gone)
    assert await read_contents(connection) == {"a": content_of(newer)}


async def test_a_session_may_be_in_a_call_only_once(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CardinalityViolationError):
        await apply(connection, [Event("a", 1, UUID(int=1)), Event("a", 2, UUID(int=2))])
    assert await read_ledger(connection) == {}


async def test_an_empty_call_does_nothing(connection: asyncpg.Connection) -> None:
    call = "SELECT * FROM apply_session_events('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')"
    assert await connection.fetch(call) == []


@pytest.mark.parametrize("session_id", ["x" * 256, "x" * 255 + " "])
async def test_an_id_that_is_too_long_is_refused_and_never_cut(
    connection: asyncpg.Connection, session_id: str
) -> None:
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await apply(connection, [Event(session_id, 1, UUID(int=1))])
    assert await read_ledger(connection) == {}


async def test_a_rewritten_session_keeps_its_creation_time(connection: asyncpg.Connection) -> None:
    await apply(connection, [Event("a", 1, UUID(int=1))])
    created = await connection.fetchval("SELECT created_at FROM sessions")
    await apply(connection, [Event("a", 2, UUID(int=2))])
    kept = "SELECT created_at = $1 AND updated_at > $1 FROM sessions"
    assert await connection.fetchval(kept, created)


async def test_plans_made_on_small_tables_do_not_scan_them(connection: asyncpg.Connection) -> None:
    await apply(connection, [Event("a", 1, UUID(int=1))])
    await connection.execute("ANALYZE sessions, session_ledger")
    async with rolled_back(connection):
        for revision in range(2, 10):  # the sixth run is the first whose plan is kept
            repeat = Event("a", 1, UUID(int=1), expected=7)
            await apply(connection, [repeat, Event("b", revision, UUID(int=1), is_delete=True)])
        scans = await connection.fetch("SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables")
    of_sessions = [row for row in scans if re.match(r"sessions($|_\d|_default$)", row["relname"])]
    of_ledger = [row for row in scans if row["relname"] == "session_ledger"]
    for rows in (of_sessions, of_ledger):
        assert sum(row["seq_scan"] or 0 for row in rows) == 0
        assert sum(row["idx_scan"] or 0 for row in rows) > 0


@asynccontextmanager
async def rolled_back(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Leave the database as it was."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def state_after(
    connection: asyncpg.Connection, arrivals: Sequence[Event]
) -> tuple[dict[str, tuple[int, UUID, bool]], dict[str, tuple[object, ...]]]:
    """Return each session's last event, and the stored content, after these arrivals."""
    async with rolled_back(connection):
        for event in arrivals:
            await apply_one(connection, event)
        ledger = await read_ledger(connection)
        last = {
            key: (entry.revision, entry.event_id, entry.outcome == "stored") for key, entry in ledger.items()
        }
        return last, await read_contents(connection)


async def apply_all(
    connection: asyncpg.Connection, share: Sequence[Sequence[Event]]
) -> list[tuple[Event, Answer]]:
    """Apply batch after batch, and return every event with its answer."""
    answers: list[tuple[Event, Answer]] = []
    for batch in share:
        answers += (await apply(connection, batch)).items()
    return answers


def note(
    event: Event,
    outcome: str,
    entry: Entry | None,
    ledger: dict[str, Entry],
    contents: dict[str, tuple[object, ...]],
) -> None:
    """Apply an event to the expected state."""
    if outcome in APPLIED and entry is not None:
        ledger[event.session_id] = entry
        contents.pop(event.session_id, None)
        if not event.is_delete:
            contents[event.session_id] = content_of(event)


def consistent(given_events: Sequence[Event]) -> list[Event]:
    """Return one event for each session, revision and id: no engine publishes two different ones."""
    return list({event[:3]: event for event in given_events}.values())


def dealt(given_events: Sequence[Event], hands: int, rng: random.Random) -> list[list[list[Event]]]:
    """Return shuffled batches for each of the connections; a batch has distinct sessions in no order."""
    shares: list[list[list[Event]]] = [[] for _ in range(hands)]
    for event in rng.sample(given_events, len(given_events)):
        share = rng.choice(shares)
        if not share or any(event.session_id == other.session_id for other in share[-1]):
            share.append([])
        share[-1].append(event)
    return shares


def assert_greatest_won(given_events: Sequence[Event], ledger: dict[str, Entry]) -> None:
    """Assert that a session's last applied event is the greatest, where no event had an expected revision."""
    expecting = {event.session_id for event in given_events if event.expected is not None}
    for event in given_events:
        if event.session_id not in expecting:
            assert ledger[event.session_id][:2] >= (event.revision, event.id)
