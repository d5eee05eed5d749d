import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from worker.errors import StorageUnavailable
from worker.store.shared_reads import MAX_SESSIONS, SharedReads


class Database:
    """A fake database that finds no session, and answers once `gate` is open."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def fetch(self, session_ids: Sequence[str], timeout: float) -> list[asyncpg.Record]:
        self.asked.append(set(session_ids))
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return []


@pytest.fixture
def database() -> Database:
    return Database()


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_lone_read_is_asked_at_once(database: Database) -> None:
    database.gate.set()
    assert await SharedReads(database.fetch).read("a", 5) is None
    assert database.asked == [{"a"}]


async def test_reads_that_come_together_share_a_query_and_one_session_is_asked_once(
    database: Database,
) -> None:
    reads = SharedReads(database.fetch)
    reading = [asyncio.create_task(reads.read(each, 5)) for each in ("a", "b", "a")]
    await turns()
    database.gate.set()
    assert await asyncio.gather(*reading) == [None, None, None]
    assert database.asked == [{"a", "b"}]


async def test_a_read_is_never_answered_by_a_query_that_began_before_it(database: Database) -> None:
    reads = SharedReads(database.fetch)
    first = asyncio.create_task(reads.read("a", 5))
    await turns()
    second = asyncio.create_task(reads.read("a", 5))
    await turns()
    third = asyncio.create_task(reads.read("a", 5))
    await turns()
    assert database.asked == [{"a"}, {"a"}]
    database.gate.set()
    await asyncio.gather(first, second, third)
    assert database.asked == [{"a"}, {"a"}, {"a"}]


async def test_a_query_has_a_bounded_number_of_sessions(database: Database) -> None:
    reads = SharedReads(database.fetch)
    reading = [asyncio.create_task(reads.read(str(number), 5)) for number in range(MAX_SESSIONS + 1)]
    await turns()
    database.gate.set()
    await asyncio.gather(*reading)
    assert sorted(map(len, database.asked)) == [1, MAX_SESSIONS]


async def test_a_failure_is_the_answer_to_all_who_wait_and_to_nobody_after(database: Database) -> None:
    reads = SharedReads(database.fetch)
    database.failure = StorageUnavailable("connection lost")
    reading = [asyncio.create_task(reads.read(each, 5)) for each in ("a", "b")]
    await turns()
    database.gate.set()
    results = await asyncio.gather(*reading, return_exceptions=True)
    assert results == [database.failure, database.failure]
    database.failure = None
    assert await reads.read("a", 5) is None


async def test_who_waits_no_longer_costs_the_others_nothing(database: Database) -> None:
    reads = SharedReads(database.fetch)
    hasty, patient = (asyncio.create_task(reads.read("a", seconds)) for seconds in (0.01, 5))
    with pytest.raises(TimeoutError):
        await hasty
    database.gate.set()
    assert await patient is None


async def test_a_read_that_comes_as_both_queries_end_is_asked(database: Database) -> None:
    reads = SharedReads(database.fetch)

    async def read_again() -> None:
        await reads.read("a", 5)
        await reads.read("c", 5)

    first = asyncio.create_task(read_again())
    await turns()
    second = asyncio.create_task(reads.read("b", 5))
    await turns()
    database.gate.set()
    await asyncio.gather(first, second)
    assert database.asked == [{"a"}, {"b"}, {"c"}]
