"""The worker's statements that Citus answers, and those that it cannot plan: the table of docs/scaling.md."""

import asyncpg
import pytest

import sql
from tests.bench.writing import batch, writing
from tests.integration.conftest import connection

__all__ = ["connection"]

ANYTHING = [None] * 11


@pytest.mark.parametrize(
    ("name", "values", "rows"),
    [
        ("read_sessions", [["a", "b"]], 1),
        ("count_sessions", ANYTHING, 1),
        ("session_stats", [None], 1),
        ("query_by_started_at_desc", [*ANYTHING, 100, 0, None, None], 1),
        ("query_by_completed_at_asc", [*ANYTHING, 100, 0, None, None], 1),
        ("query_by_updated_at_desc", [*ANYTHING, 100, 0, None, None], 1),
    ],
)
async def test_it_is_answered(
    database_url: str, connection: asyncpg.Connection, name: str, values: list[object], rows: int
) -> None:
    async with writing(database_url, citus=True) as writer:
        await writer.apply([[batch(1)[0]._replace(session_id="a")]])
    assert len(await connection.fetch(sql.statement(name), *values)) == rows
    assert len(await connection.fetch(sql.statement("read_session"), "a")) == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("read_session_since", ["a", 1]),
        ("sessions_to_erase", ["player_1", 5]),
        ("delete_tombstones", [["a"], 1]),
    ],
)
async def test_it_is_refused(connection: asyncpg.Connection, name: str, values: list[object]) -> None:
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await connection.fetch(sql.statement(name), *values)
