"""The JSON of a record, which the database writes: the stored values, with times as in the contract."""

from datetime import UTC, datetime

import asyncpg
import orjson
import pytest

from contracts.requests import Filter, QueryOptions
from contracts.session import format_timestamp
from tests.support.servers.layouts import on_both_layouts
from tests.support.servers.storages import storage_at

pytestmark = on_both_layouts

ADD = """
    INSERT INTO sessions (session_id, player_id, encounter, state, extra, started_at, completed_at, created_at,
                          updated_at)
    VALUES ($1, $2, $3::text::jsonb, '{"n": [1, 1.50, 1e-7]}', $4::text::jsonb, $5::text::timestamptz,
            $6::text::timestamptz, $7::text::timestamptz, $8::text::timestamptz)
"""
TIMES = (
    "2025-11-07T10:30:00Z",
    "2025-11-07T10:30:00.1Z",
    "2025-11-07T10:30:00.000001+01:00",
    "2025-11-07T00:00:00.1000Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
)
ODD = '"quotes" \\ / \b\n\t \x7f \u2028 Зоя \U0001f9c2 </script> 000Z"'


async def add(
    connection: asyncpg.Connection, name: str, *, extra: object = None, times: tuple[str | None, ...]
) -> None:
    written = None if extra is None else orjson.dumps(extra).decode()
    await connection.execute(ADD, name, f"player {name}", orjson.dumps({"": ODD}).decode(), written, *times)


def text_of(moment: datetime) -> str:
    """Return a time in the contract's form; the driver's infinity is the last moment, without an offset."""
    return format_timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def expected_of(row: asyncpg.Record) -> dict[str, object]:
    """Return the record of a row, from its columns."""
    session = {
        "sessionId": row["session_id"],
        "playerId": row["player_id"],
        "encounter": orjson.loads(row["encounter"]),
        "state": orjson.loads(row["state"]),
        "startedAt": text_of(row["started_at"]),
        **orjson.loads(row["extra"] or "{}"),
    }
    if row["completed_at"]:
        session["completedAt"] = text_of(row["completed_at"])
    created: datetime = row["created_at"] or row["started_at"]
    return {
        "session": session,
        "revision": row["revision"],
        "createdAt": text_of(created),
        "updatedAt": text_of(row["updated_at"] or created),
    }


async def assert_read(connection: asyncpg.Connection, url: str) -> None:
    """Assert that every kind of read gives each session's record as in its columns."""
    rows = await connection.fetch("SELECT * FROM sessions ORDER BY started_at DESC, session_id")
    expected = [expected_of(row) for row in rows]
    ids = [row["session_id"] for row in rows]
    async with storage_at(url) as storage:
        await storage.refresh_layout()
        reader = storage.reader
        page = await reader.query(Filter(), QueryOptions(limit=1000), 60)
        assert orjson.loads(orjson.dumps(page.records)) == expected
        assert orjson.loads(orjson.dumps(await reader.read_many(ids, 60))) == expected
        assert orjson.loads(orjson.dumps([await reader.read(name, 60) for name in ids])) == expected


async def test_times_have_milliseconds_or_microseconds(
    connection: asyncpg.Connection, database_url: str
) -> None:
    for number, time in enumerate(TIMES):
        await add(connection, f"a{number}", times=(time, None, time, time))
        await add(connection, f"b{number}", times=(TIMES[0], time, None, None))
    await assert_read(connection, database_url)


async def test_a_time_beyond_the_calendar_is_its_first_or_last_moment(
    connection: asyncpg.Connection, database_url: str
) -> None:
    await add(connection, "a", times=("-infinity", "infinity", "-infinity", "infinity"))
    await add(connection, "b", times=("infinity", "-infinity", None, "infinity"))
    await assert_read(connection, database_url)


@pytest.mark.parametrize("completed", [None, TIMES[1]])
async def test_fields_without_a_column_come_back_beside_the_others(
    connection: asyncpg.Connection, database_url: str, completed: str | None
) -> None:
    extras: tuple[object, ...] = (
        None,
        {},
        {"a": 1},
        {"completedAt": None},
        {"completedAt": None, ODD: {"x": ODD}},
        {"completed_at": 5, "": []},
    )
    for number, extra in enumerate(extras):
        await add(connection, f"s{number}", extra=extra, times=(TIMES[0], completed, TIMES[1], TIMES[2]))
    await assert_read(connection, database_url)


async def test_an_id_of_any_characters_comes_back(connection: asyncpg.Connection, database_url: str) -> None:
    for name in ("'; DROP TABLE sessions", 'a "b" \\ c', "Зоя \U0001f9c2", "{}", " "):
        await add(connection, name, times=(TIMES[0], None, None, None))
    await assert_read(connection, database_url)
