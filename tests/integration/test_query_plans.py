"""The index for each kind of query, on a table that is slow to read without one."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

import asyncpg
import pytest

import sql
from deploy.local.instance import PROJECT
from deploy.local.postgres import PostgresServer
from tests.integration.plans import buffers_of, explain, indexes_of, nodes_of, scans_of
from tests.support.servers.layouts import on_layout
from worker.store.storage import READ_SETTINGS

ROWS: Final = 500_000
PAGE: Final = 100
ACROSS: Final = ROWS * 19 // 20 - PAGE // 2  # here a page by completion goes from completed to open sessions
DEEP: Final = (ROWS // 2, ACROSS, ROWS - PAGE)  # the last is page 5,000
NAME: Final = "test_query_plans"
pytestmark = on_layout("plain")  # partitions have indexes of their own
SQL_PAGE: Final = PROJECT / "sql" / "README.md"
FILTERS: Final = (
    "playerId",
    "completed",
    "difficulty",
    "startedAfter",
    "startedBefore",
    "completedAfter",
    "completedBefore",
    "updatedAfter",
    "updatedBefore",
    "encounterContains",
    "stateContains",
)
EARLY, LATE, LAST = "2025-01-02T00:00:00+00:00", "2025-05-18T00:00:00+00:00", "2025-06-20T00:00:00+00:00"
ORDERS: Final = [(column, order) for column in ("started_at", "completed_at") for order in ("asc", "desc")]
FILL: Final = """
ALTER TABLE sessions DISABLE TRIGGER inserted_sessions_are_adopted;
INSERT INTO sessions (session_id, player_id, encounter, state, started_at, completed_at, updated_at)
SELECT 'sess_' || md5(n::text), 'player_' || n % 5000,
       jsonb_build_object('id', n % 500, 'difficulty', CASE WHEN n % 1000 = 0 THEN 'hard' ELSE 'easy' END),
       '{}', moment, CASE WHEN n % 20 <> 0 THEN moment + hashint4(n) % 25000 * interval '1 minute' END, moment
  FROM generate_series(1, 500000) AS n,
       LATERAL (SELECT timestamptz '2025-01-01' + n * interval '30 seconds') AS at (moment);
INSERT INTO session_ledger (session_id, revision, event_id, outcome)
SELECT session_id, 1, md5(session_id)::uuid, 'stored' FROM sessions LIMIT 20000;
VACUUM ANALYZE sessions, session_ledger;
"""


@pytest.fixture(scope="module")
def full_database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Yield the URL of this module's database with many sessions, which no test changes."""
    url = postgres_server.create_database(NAME, template_database)
    for statement in FILL.split(";\n"):
        postgres_server.psql(statement, NAME)
    yield url
    postgres_server.drop_database(NAME)


@pytest.fixture
async def reader(full_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection with the worker's settings for reads."""
    connection = await asyncpg.connect(full_database_url, server_settings=READ_SETTINGS)
    yield connection
    await connection.close()


async def end_of(reader: asyncpg.Connection, column: str, order: str, offset: int) -> tuple[str | None, str]:
    """Return the key and the id of the session at this place of an order, as a cursor has them."""
    place = f"SELECT {column}, session_id FROM sessions ORDER BY {column} {order} NULLS LAST, session_id"  # noqa: S608
    row = await reader.fetchrow(f"{place} OFFSET $1 LIMIT 1", offset)
    assert row
    return row[0] and row[0].isoformat(), row[1]


def filter_by(**wanted: object) -> list[object]:
    """Return the parameters of a filter."""
    return [wanted.get(name) for name in FILTERS]


@pytest.mark.parametrize(
    ("name", "value", "index"),
    [
        ("playerId", "player_7", "idx_sessions_player_id"),
        ("completed", False, "idx_sessions_incomplete"),
        ("difficulty", "hard", "idx_sessions_difficulty"),
        ("startedAfter", LATE, "idx_sessions_started_at"),
        ("startedBefore", EARLY, "idx_sessions_started_at"),
        ("completedAfter", LAST, "idx_sessions_completed_at"),
        ("completedBefore", EARLY, "idx_sessions_completed_at"),
    ],
)
async def test_a_count_reads_the_index_of_its_filter(
    reader: asyncpg.Connection, name: str, value: object, index: str
) -> None:
    plan = await explain(reader, "count_sessions", *filter_by(**{name: value}))
    assert indexes_of(plan) == {index}
    assert scans_of(plan) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("updatedAfter", LATE),
        ("updatedBefore", EARLY),
        ("encounterContains", '{"id": 7}'),
        ("stateContains", '{"a": 1}'),
    ],
)
async def test_what_changes_with_every_write_has_no_index_but_another_filters_serves(
    reader: asyncpg.Connection, name: str, value: object
) -> None:
    assert scans_of(await explain(reader, "count_sessions", *filter_by(**{name: value})))
    both = await explain(reader, "count_sessions", *filter_by(playerId="player_7", **{name: value}))
    assert (indexes_of(both), scans_of(both)) == ({"idx_sessions_player_id"}, [])


@pytest.mark.parametrize(("column", "order"), ORDERS)
async def test_a_page_reads_the_index_of_its_order_and_little_else(
    reader: asyncpg.Connection, column: str, order: str
) -> None:
    plan = await explain(reader, f"query_by_{column}_{order}", *filter_by(), PAGE + 1, 0, None, None)
    assert indexes_of(plan) == {f"idx_sessions_{column}"}
    assert scans_of(plan) == []
    assert buffers_of(plan) < 3 * PAGE


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("column", ["started_at", "completed_at", "updated_at"])
async def test_a_players_page_reads_the_players_sessions_in_any_order(
    reader: asyncpg.Connection, column: str, order: str
) -> None:
    asked = (*filter_by(playerId="player_7"), PAGE + 1, 0, None, None)
    plan = await explain(reader, f"query_by_{column}_{order}", *asked)
    assert (indexes_of(plan), scans_of(plan)) == ({"idx_sessions_player_id"}, [])


async def test_open_sessions_have_an_index(reader: asyncpg.Connection) -> None:
    plan = await explain(reader, "query_by_started_at_desc", *filter_by(completed=False), 11, 0, None, None)
    assert (indexes_of(plan), scans_of(plan)) == ({"idx_sessions_incomplete"}, [])
    assert buffers_of(plan) < 33


async def test_a_players_open_sessions_are_read_without_a_scan(reader: asyncpg.Connection) -> None:
    asked = (*filter_by(playerId="player_20", completed=False), 11, 0, None, None)
    plan = await explain(reader, "query_by_started_at_desc", *asked)
    assert "idx_sessions_player_id" in indexes_of(plan)
    assert scans_of(plan) == []


async def test_the_index_that_the_page_prints_lists_a_players_open_sessions(
    reader: asyncpg.Connection,
) -> None:
    [printed] = re.findall(r"```sql\n(CREATE INDEX .*?)```", SQL_PAGE.read_text(), re.DOTALL)
    asked = (*filter_by(playerId="player_20", completed=False), 11, 0, None, None)
    transaction = reader.transaction()
    await transaction.start()
    try:
        await reader.execute("SET TRANSACTION READ WRITE")
        await reader.execute(printed.replace(" CONCURRENTLY", ""))
        plan = await explain(reader, "query_by_started_at_desc", *asked)
    finally:
        await transaction.rollback()
    assert (indexes_of(plan), scans_of(plan)) == ({"sessions_player_open"}, [])
    assert buffers_of(plan) < 33


@pytest.mark.parametrize(("column", "order"), [*ORDERS, ("updated_at", "asc"), ("updated_at", "desc")])
async def test_no_page_costs_more_than_two_first_ones(
    reader: asyncpg.Connection, column: str, order: str
) -> None:
    name = f"query_by_{column}_{order}"
    first = await explain(reader, name, *filter_by(), PAGE + 1, 0, None, None)
    for start in DEEP:
        after = await end_of(reader, column, order, start - 1)
        deep = await explain(reader, name, *filter_by(), PAGE + 1, 0, *after)
        assert buffers_of(deep) <= 2 * buffers_of(first)
        if column != "updated_at":
            assert scans_of(deep) == []


@pytest.mark.parametrize(("column", "order"), ORDERS)
async def test_a_page_by_its_cursor_is_the_page_by_its_offset(
    reader: asyncpg.Connection, column: str, order: str
) -> None:
    statement = sql.statement(f"query_by_{column}_{order}")
    for start in DEEP[1:]:
        after = await end_of(reader, column, order, start - 1)
        by_offset = await reader.fetch(statement, *filter_by(), PAGE, start, None, None)
        by_cursor = await reader.fetch(statement, *filter_by(), PAGE, 0, *after)
        assert len(by_cursor) == PAGE
        assert by_cursor == by_offset


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_sessions_without_a_completion_come_last_by_an_index_of_theirs(
    reader: asyncpg.Connection, order: str
) -> None:
    name = f"query_by_completed_at_{order}"
    asked = (*filter_by(), PAGE + 1, 0, None, "sess_8")
    plan = await explain(reader, name, *asked)
    rows = await reader.fetch(sql.statement(name), *asked)
    ids = [row["session_id"] for row in rows]
    assert not [row for row in rows if "completedAt" in json.loads(row["record"])["session"]]
    assert ids == sorted(ids)
    assert ids[0] > "sess_8"
    assert indexes_of(plan) == {"idx_sessions_incomplete_by_id"}
    assert scans_of(plan) == []


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_by_change_sorts_few_at_a_time_and_turns_few_into_text(
    reader: asyncpg.Connection, order: str
) -> None:
    name = f"query_by_updated_at_{order}"
    plan = await explain(reader, name, *filter_by(), PAGE + 1, 0, None, None)
    methods = {node["Sort Method"] for node in nodes_of(plan) if "Sort Method" in node}
    texts = [node for node in nodes_of(plan) if node["Node Type"] == "Subquery Scan"]
    assert scans_of(plan) == ["sessions"]
    assert methods <= {"top-N heapsort", "quicksort"}
    assert [node["Actual Rows"] for node in texts] == [PAGE + 1]


async def test_sessions_and_ledger_entries_are_found_by_key(reader: asyncpg.Connection) -> None:
    ids = await reader.fetch("SELECT session_id FROM sessions TABLESAMPLE SYSTEM (5) LIMIT 1000")
    one = await explain(reader, "read_session", ids[0][0])
    many = await explain(reader, "read_sessions", [row[0] for row in ids])
    ledger = await explain(reader, "read_session_since", ids[0][0], 1)
    statistics = await explain(reader, "session_stats", "player_7")
    assert [indexes_of(plan) for plan in (one, many, ledger, statistics)] == [
        {"sessions_pkey"},
        {"sessions_pkey"},
        {"session_ledger_pkey", "sessions_pkey"},
        {"idx_sessions_player_id"},
    ]
    assert [plan for plan in (one, many, ledger, statistics) if scans_of(plan)] == []


async def test_everybodys_statistics_read_the_totals_and_no_session(reader: asyncpg.Connection) -> None:
    plan = await explain(reader, "session_stats", None)
    assert buffers_of(plan) < 10
    assert plan["Total Cost"] < 1_000  # includes branches that do not run: PostgreSQL compiles costly plans
    (total,) = await reader.fetch(sql.statement("session_stats"), None)
    assert total["total_sessions"] == ROWS
