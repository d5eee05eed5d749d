"""Every schedule of transactions, statement by statement, ends in the state of the greatest event."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import pytest

from tests.support.events.model import Entry, Event, judge
from tests.support.events.schedules import INSTALL_GATE, Call, Played, Stage, every_schedule
from tests.support.events.session_events import (
    Answer,
    applied_chains,
    apply,
    content_of,
    read_contents,
    read_ledger,
)
from tests.support.servers.layouts import on_both_layouts

pytestmark = on_both_layouts

BEFORE = Event("a", 1, UUID(int=1))


@pytest.fixture
async def director(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(INSTALL_GATE)
    yield connection
    await connection.close()


@pytest.fixture
async def stage(database_url: str, director: asyncpg.Connection) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        connections = [await asyncpg.connect(database_url) for _ in range(3)]
        for connection in connections:
            stack.push_async_callback(connection.close)
            await connection.execute("SET synchronous_commit = off; SET deadlock_timeout = '100ms'")
        yield Stage(director, connections)


@pytest.mark.parametrize("there", [True, False], ids=["session there", "no session"])
@pytest.mark.parametrize("delete", [2, 3, 4], ids=["delete oldest", "delete between", "delete newest"])
async def test_write_write_delete(
    stage: Stage, director: asyncpg.Connection, delete: int, there: bool
) -> None:
    calls = [(Event("a", revision, UUID(int=revision), revision == delete),) for revision in (2, 3, 4)]
    before = [BEFORE] if there else []
    played = await play_all(stage, director, calls, before)
    assert len(played) >= 60


@pytest.mark.parametrize("crashing", [0, 1, 2])
async def test_a_transaction_that_is_rolled_back_leaves_no_trace(
    stage: Stage, director: asyncpg.Connection, crashing: int
) -> None:
    calls = [(Event("a", revision, UUID(int=revision), revision == 3),) for revision in (2, 3, 4)]
    await play_all(stage, director, calls, [BEFORE], crashing)


async def test_calls_over_the_same_sessions_in_opposite_orders_never_deadlock(
    stage: Stage, director: asyncpg.Connection
) -> None:
    # The first call locks b; the second, which already has a locked, and the third wait for b.
    calls: list[Call] = [
        (Event("b", 3, UUID(int=3)),),
        (Event("a", 2, UUID(int=4)), Event("b", 4, UUID(int=5))),
        (Event("b", 2, UUID(int=6)), Event("a", 3, UUID(int=7), is_delete=True)),
    ]
    await play_all(stage, director, calls, [BEFORE, BEFORE._replace(session_id="b")])


async def test_two_writes_that_expect_the_same_revision(stage: Stage, director: asyncpg.Connection) -> None:
    calls = [(Event("a", revision, UUID(int=revision), revision == 3, expected=1),) for revision in (2, 3, 4)]
    for played in await play_all(stage, director, calls, [BEFORE]):
        outcomes = [answer.outcome for _, answer in played.answers]
        assert len(set(outcomes) & {"stored", "deleted"}) == 1
        assert len([outcome for outcome in outcomes if outcome in ("conflict", "superseded")]) == 2


async def play_all(
    stage: Stage,
    director: asyncpg.Connection,
    calls: Sequence[Call],
    before: Sequence[Event],
    crashing: int | None = None,
) -> list[Played]:
    """Play every schedule, each after the events `before`, and check the state that each leaves."""
    schedules = []
    first = await apply_before(director, before)
    async for played in every_schedule(stage, calls, crashing):
        await assert_state(director, [*first, *played.answers])
        first = await apply_before(director, before)
        schedules.append(played)
    assert len({played.schedule for played in schedules}) == len(schedules)
    return schedules


async def apply_before(director: asyncpg.Connection, before: Sequence[Event]) -> list[tuple[Event, Answer]]:
    """Put the tables into the state after these events alone."""
    await director.execute("DELETE FROM sessions; DELETE FROM session_ledger")
    return list((await apply(director, before)).items()) if before else []


async def assert_state(director: asyncpg.Connection, answers: Sequence[tuple[Event, Answer]]) -> None:
    """Assert that the tables follow from the committed events, each judged against the one before it."""
    assert all(judge(answer.prior, event)[0] == answer.outcome for event, answer in answers)
    last = {session_id: chain[-1] for session_id, chain in applied_chains(answers).items()}
    assert await read_ledger(director) == {
        session_id: Entry(event.revision, event.id, answer.outcome)
        for session_id, (event, answer) in last.items()
    }
    assert await read_contents(director) == {
        session_id: content_of(event) for session_id, (event, _) in last.items() if not event.is_delete
    }
    stats = await director.fetchrow("SELECT total_sessions, completed_sessions FROM get_session_stats()")
    assert stats == await director.fetchrow("SELECT count(*), count(completed_at) FROM sessions")
    for event, _ in answers:
        assert event.expected is not None or last[event.session_id][0][1:3] >= event[1:3]
