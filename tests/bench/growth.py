"""The cost of a larger table: the same measures at 10^4 rows, at ten times more, and so on."""

from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Final

import asyncpg

import sql
from tests.bench.answering import over_rpc
from tests.bench.caller import Ask, ask_all, open_caller
from tests.bench.events import make_events
from tests.bench.measure import percentile
from tests.bench.peers.roster import worker_of
from tests.bench.stand import WORKER, Stand
from tests.bench.storing import store

PAGE: Final = 100
DEEP: Final = 50 / 100  # the share of the rows before the page
QUESTIONS: Final = 60
FILL: Final = """
INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, revision)
SELECT 'grown_' || md5(n::text), 'player_' || n % 100000, shape.encounter, shape.state,
       timestamptz '2025-01-01' + n * interval '1 second',
       CASE WHEN n % 20 <> 0 THEN timestamptz '2025-01-01' + n * interval '1 second' + interval '10 minutes' END, 1
  FROM generate_series({first}, {last}) AS n,
       LATERAL (SELECT jsonb_build_object('difficulty', 'easy', 'title', repeat('x', 900)) AS encounter,
                       jsonb_build_object('step', n, 'notes', repeat('y', 300)) AS state) AS shape;
"""
LEDGER: Final = """
INSERT INTO session_ledger (session_id, revision, event_id, outcome)
SELECT session_id, revision, md5(session_id)::uuid, 'stored' FROM sessions ON CONFLICT DO NOTHING;
"""
AT: Final = (
    "SELECT started_at, session_id FROM sessions ORDER BY started_at DESC, session_id OFFSET $1 LIMIT 1"
)
SIZES: Final = """
SELECT pg_total_relation_size('sessions') + pg_total_relation_size('session_ledger'), pg_current_wal_lsn()
"""


@dataclass(frozen=True, slots=True)
class Grown:
    """The measures at one number of rows: median events a second and ms, bytes a row and bytes an event."""

    rows: int
    rate: float
    read: float
    first_page: float
    deep_page: float
    count: float
    stats: float
    disk: float
    wal: float


async def grow(stand: Stand, sizes: list[int], number: int, rounds: int) -> list[Grown]:
    """Return the measures at each number of rows, in one database that grows; `number` events a round."""
    await stand.prepare()
    grown, rows = [], 0
    for size in sizes:
        await _fill(stand, rows + 1, size)
        grown.append(await _measure(stand, size, number, rounds))
        rows = size
    return grown


async def _fill(stand: Stand, first: int, last: int) -> None:
    async with stand.database() as database:
        for at in range(first, last + 1, 500_000):
            await database.execute(FILL.format(first=at, last=min(at + 499_999, last)))
        await database.execute(LEDGER)
        await database.execute("VACUUM ANALYZE sessions, session_ledger")


async def _measure(stand: Stand, rows: int, number: int, rounds: int) -> Grown:
    async with stand.database() as database:
        ((_, before),) = await database.fetch(SIZES)
        rates = [await _store_new(stand, database, number) for _ in range(rounds)]
        ((disk, after),) = await database.fetch(SIZES)
        wal = await database.fetchval("SELECT pg_wal_lsn_diff($1, $2)::float8", after, before)
        read, first, deep, count, stats = await _ask(stand, database, rows)
    total = number * rounds
    return Grown(rows, median(rates), read, first, deep, count, stats, disk / (rows + total), wal / total)


async def _store_new(stand: Stand, database: asyncpg.Connection, number: int) -> float:
    stored = await store(stand, worker_of(), make_events(number))
    await database.execute("DELETE FROM sessions WHERE session_id NOT LIKE 'grown%'")
    return stored.rate


async def _ask(stand: Stand, database: asyncpg.Connection, rows: int) -> list[float]:
    """Return the medians of a read, a first and a deep page, a count and the statistics."""
    ids = cycle([row[0] for row in await database.fetch("SELECT session_id FROM sessions LIMIT 1000")])
    async with stand.running(WORKER), open_caller(stand.rabbit.url) as caller:
        asks: list[Ask] = [
            over_rpc(caller, "session.read", lambda: {"sessionId": next(ids)}),
            await _page(database, None),
            await _page(database, int(rows * DEEP)),
            over_rpc(caller, "session.count", lambda: {"filter": {"playerId": "player_7"}}),
            over_rpc(caller, "session.stats", dict),
        ]
        return [percentile((await ask_all(ask, QUESTIONS, 1)).times, 0.5) for ask in asks]


async def _page(database: asyncpg.Connection, passed: int | None) -> Ask:
    """Return a query like the worker's, by the key of the row before: no caller turns five thousand pages."""
    key: tuple[str | None, str | None] = (None, None)
    if passed is not None:
        ((moment, session_id),) = await database.fetch(AT, passed)
        key = (moment.isoformat(), session_id)
    nothing = [None] * 11
    return lambda: database.fetch(
        sql.statement("query_by_started_at_desc"), *nothing, PAGE + 1, 0, key[0], key[1]
    )
