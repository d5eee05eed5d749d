"""A worker's writer on Citus answers as on plain PostgreSQL, and an erasure works there too."""

import random
from uuid import UUID

import asyncpg
import pytest

import sql
from contracts.outcomes import Outcome
from deploy.local.postgres import PostgresServer
from tests.bench.writing import batch, writing
from tests.support.servers.running import database_copy
from worker.store.buckets import BUCKETS, bucket_of
from worker.store.rows import EventRow
from worker.store.writer import columns_of

ROUNDS = 40


@pytest.fixture
def plain_url(postgres_server: PostgresServer, template_database: str) -> object:
    """Yield the URL of a database of plain PostgreSQL."""
    yield from database_copy(postgres_server, template_database)


async def test_it_answers_as_on_plain_postgresql(database_url: str, plain_url: str) -> None:
    chance = random.Random(7)
    async with writing(plain_url, citus=False) as plain, writing(database_url, citus=True) as spread:
        for _ in range(ROUNDS):
            rounds = [some_events(chance) for _ in range(chance.randrange(1, 4))]
            assert await spread.apply(rounds) == await plain.apply(rounds)


async def test_an_erasure_holds_and_waits_for_those_who_store(database_url: str) -> None:
    storing, erasing = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    [event] = batch(1)
    other = event._replace(session_id="other")
    try:
        async with storing.transaction():
            assert await outcome_of(storing, event) == "stored"
            await erasing.execute("SET lock_timeout = '300ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await erasing.fetch(sql.statement("mark_erasure"), event.player_id, 5)
        await erasing.fetch(sql.statement("mark_erasure"), event.player_id, 5)
        assert await outcome_of(storing, other) == "superseded"
        assert await outcome_of(storing, other._replace(revision=6)) == "stored"
    finally:
        await storing.close()
        await erasing.close()


async def test_the_database_and_the_worker_put_a_session_into_one_bucket(database_url: str) -> None:
    ids = [*(f"session_{number}" for number in range(500)), "", "ä", "🧂" * 200]
    connection = await asyncpg.connect(database_url)
    found = await connection.fetchval(
        "SELECT array_agg(session_bucket(id) ORDER BY place)"
        "  FROM unnest($1::text[]) WITH ORDINALITY AS given (id, place)",
        ids,
    )
    await connection.close()
    assert found == [bucket_of(each) for each in ids]
    assert set(found) == set(range(BUCKETS))


async def outcome_of(connection: asyncpg.Connection, event: EventRow) -> str:
    """Return the outcome of one event, as a worker applies it."""
    [row] = await connection.fetch(sql.statement("apply_session_events"), *columns_of([event]))
    assert Outcome(row["outcome"])
    return str(row["outcome"])


def some_events(chance: random.Random) -> list[EventRow]:
    """Return events of a few sessions with few revisions, so that ties, repeats and conflicts are common."""
    ids = sorted(chance.sample("abcdefgh", chance.randrange(1, 8)))
    return [some_event(chance, session_id) for session_id in ids]


def some_event(chance: random.Random, session_id: str) -> EventRow:
    """Return a write or a delete, with an expected revision or without."""
    revision, number = chance.randrange(1, 30), UUID(int=chance.randrange(1, 4), version=4)
    expected = chance.choice([None, None, 0, chance.randrange(1, 30)])
    if chance.random() < 0.2:
        return EventRow(session_id, revision, number, expected, True)
    return batch(1)[0]._replace(
        session_id=session_id, revision=revision, event_id=number, expected_revision=expected
    )
