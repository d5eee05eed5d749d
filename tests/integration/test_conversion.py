"""A table becomes a partitioned one: no data is lost, and its users notice nothing."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import orjson
import pytest

import sql
from contracts.requests import Filter, QueryOptions
from tests.integration.test_session_totals import ADD, assert_kept
from tests.support.events.model import Event
from tests.support.events.session_events import apply_each, apply_one, read_contents, read_ledger
from tests.support.programs.command import run_command
from tests.support.servers.layouts import on_layout
from tests.support.servers.postgres_programs import SQL, dump_schema, run_file
from tests.support.servers.storages import storage_at
from worker.store.conversion import ComparisonFailed, CopyProgress, abandon, convert
from worker.store.layout import (
    LayoutRefused,
    Plan,
    layout_connection,
    make_partitions,
    read_layout,
    run_script,
)
from worker.store.rows import EventRow
from worker.store.storage import Storage

PLAN = Plan(ahead=0)
WRITES = [Event(name, 1, UUID(int=number)) for number, name in enumerate("abcdefgh")]


pytestmark = on_layout("plain")


@pytest.fixture
async def converter(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with layout_connection(database_url) as connection:
        yield connection


async def test_every_session_is_there_afterwards_and_counted(
    connection: asyncpg.Connection, converter: asyncpg.Connection
) -> None:
    await apply_each(connection, WRITES)
    await connection.execute(ADD)  # these have no event
    before, totals = await read_contents(connection), await assert_kept(connection)
    rows = await all_of(connection)
    progress: list[CopyProgress] = []
    copied = await convert(converter, PLAN, progress.append)
    assert copied is not None
    assert (copied.sessions, await read_layout(connection)) == (len(before), "partitioned")
    assert progress[-1] == copied
    assert await read_contents(connection) == before
    assert await all_of(connection) == rows
    assert await assert_kept(connection) == totals
    assert set(await read_ledger(connection)) == set(before)
    assert await convert(converter, PLAN) is None


async def test_events_between_the_steps_are_in_both_tables(
    connection: asyncpg.Connection, converter: asyncpg.Connection
) -> None:
    await apply_each(connection, WRITES)
    await run_script(converter, "begin")
    moved = [event._replace(revision=2, id=UUID(int=event.id.int + 1)) for event in WRITES[:3]]
    gone = [event._replace(revision=2, is_delete=True) for event in WRITES[3:5]]
    new = Event("new", 1, UUID(int=3))
    await apply_each(connection, [*moved, *gone, new])
    await connection.fetchval(sql.statement("copy_sessions"), [event.session_id for event in WRITES])
    await apply_each(connection, [event._replace(revision=3) for event in [*moved, *gone]])
    await connection.execute("UPDATE sessions SET state = '1' WHERE session_id = 'h'")  # without an event
    before, rows = await assert_kept(connection), await all_of(connection)
    await convert(converter, PLAN)
    assert await assert_kept(connection) == before
    assert await all_of(connection) == rows


async def test_whoever_writes_past_the_events_for_ever_stops_it_before_the_end(
    connection: asyncpg.Connection, converter: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply_each(connection, WRITES)
    await run_script(converter, "begin")
    await connection.execute("DELETE FROM session_ledger WHERE session_id = 'a'")
    monkeypatch.setattr("worker.store.conversion.CHUNK_ROWS", 0)
    monkeypatch.setattr("worker.store.conversion.ROUNDS", 0)
    with pytest.raises(ComparisonFailed, match="without events"):
        await convert(converter, PLAN)
    assert await read_layout(connection) == "converting"


async def test_a_conversion_that_is_abandoned_leaves_nothing_and_may_begin_again(
    connection: asyncpg.Connection, converter: asyncpg.Connection, database_url: str
) -> None:
    await apply_each(connection, WRITES)
    before = dump_schema(database_url)
    await run_script(converter, "begin")
    await connection.fetchval(sql.statement("copy_sessions"), [event.session_id for event in WRITES])
    assert await abandon(converter)
    assert not await abandon(converter)
    assert dump_schema(database_url) == before
    await apply_each(connection, [event._replace(revision=2, id=UUID(int=9)) for event in WRITES])
    rows = await all_of(connection)
    await convert(converter, PLAN)
    assert await all_of(connection) == rows


@pytest.mark.parametrize(
    ("obstacle", "said"),
    [
        ("CREATE UNIQUE INDEX mine ON sessions (player_id)", "unique index mine"),
        ("CREATE TABLE notes (id varchar REFERENCES sessions)", "foreign key notes_id_fkey on notes"),
        ("CREATE MATERIALIZED VIEW report AS SELECT count(*) FROM sessions", "materialized view report"),
        ("GRANT SELECT (player_id) ON sessions TO PUBLIC", "grant on column player_id"),
        ("ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "row security"),
        ("CREATE PUBLICATION feed FOR TABLE sessions", "publication of it"),
    ],
)
async def test_what_a_partitioned_table_cannot_have_is_said_before_anything_is_done(
    connection: asyncpg.Connection, converter: asyncpg.Connection, database_url: str, obstacle: str, said: str
) -> None:
    await connection.execute(obstacle)
    before = dump_schema(database_url)
    with pytest.raises(LayoutRefused, match=f"cannot be partitioned as it is: {said}"):
        await convert(converter, PLAN)
    assert dump_schema(database_url) == before


async def test_what_people_added_to_the_table_is_carried_over(
    connection: asyncpg.Connection, converter: asyncpg.Connection
) -> None:
    await connection.execute("""
        CREATE INDEX "My index" ON sessions (updated_at) WHERE completed_at IS NULL;
        COMMENT ON TABLE sessions IS 'ours';
        CREATE VIEW report WITH (security_barrier) AS SELECT player_id, count(*) FROM sessions GROUP BY 1;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER touch BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE TRIGGER off AFTER INSERT ON sessions EXECUTE FUNCTION touch();
        ALTER TABLE sessions DISABLE TRIGGER off;
        GRANT SELECT ON sessions TO PUBLIC;
    """)
    before = await things_of(connection)
    await convert(converter, PLAN)
    after = await things_of(connection)
    assert [fact for fact in before if fact not in after] == []
    assert [fact for fact in after if fact not in before] == ["trigger session_place O"]
    assert await connection.fetch("SELECT * FROM report") == []


async def test_a_member_of_the_owner_converts_and_owns_nothing(
    connection: asyncpg.Connection, database_url: str
) -> None:
    run_file(database_url, SQL / "roles.sql")
    await connection.execute("DROP ROLE IF EXISTS test_migrator")
    await connection.execute("CREATE ROLE test_migrator LOGIN PASSWORD 'mine' IN ROLE session_store_owner")
    member = re.sub(r"//[^@]+@", "//test_migrator:mine@", database_url)
    done = run_command("partition", "convert", variables={"DATABASE_URL": member})
    assert done.returncode == 0, done.stderr
    await connection.execute("DROP ROLE test_migrator")
    await connection.execute("SET ROLE session_store_worker")
    assert (await apply_one(connection, WRITES[0])).outcome == "stored"
    assert len(await connection.fetch(sql.statement("read_placed_sessions"), ["a"])) == 1


async def test_psql_alone_makes_the_same_layout(
    converter: asyncpg.Connection, database_url: str, empty_database_url: str
) -> None:
    assert run_command("migrate", variables={"DATABASE_URL": empty_database_url}).returncode == 0
    for script in ("begin", "swap"):
        run_file(empty_database_url, SQL / "partitioning" / f"{script}.sql")
    async with layout_connection(empty_database_url) as connection:
        await make_partitions(connection, PLAN)
    await convert(converter, PLAN)
    assert dump_schema(empty_database_url) == dump_schema(database_url)


async def test_open_connections_go_on_with_their_statements(
    connection: asyncpg.Connection, converter: asyncpg.Connection, database_url: str
) -> None:
    async with storage_at(database_url, 3) as storage:
        await storage.refresh_layout()
        for _ in range(7):  # the sixth run is the first whose plan is kept
            before = await use(storage, "before")
        await convert(converter, PLAN)
        assert await use(storage, "after", before="before") == before
        await storage.refresh_layout()  # now the storage reads by place
        assert await use(storage, "last", before="after") == before


async def use(storage: Storage, name: str, before: str | None = None) -> list[object]:
    """Make each write and read once; return the results that are the same for any name."""
    started = "2026-01-05T10:30:00+00:00"
    event = EventRow(name, 1, UUID(int=1), None, False, "p", b'{"a": 1}', b"{}", None, started, None)
    await storage.writer.apply([[event]])
    read = [await storage.reader.read(before or name, 5)]
    read += await storage.reader.read_many([before or name], 5)
    read.append((await storage.reader.read_since(before or name, 1, 5)).record)
    page = await storage.reader.query(Filter(), QueryOptions(), 5)
    documents = [orjson.loads(orjson.dumps(record)) for record in (*read, page.records[-1])]
    assert {document["session"]["sessionId"] for document in documents[:-1]} == {before or name}
    return [document["session"]["encounter"] for document in documents]


def test_the_commands_say_what_they_did(database_url: str) -> None:
    variables = {"DATABASE_URL": database_url}
    refused = run_command("partition", "maintain", variables=variables)
    assert (refused.returncode, "partition convert" in refused.stderr) == (78, True)
    assert '"layout": "plain"' in run_command("partition", "show", "--json", variables=variables).stdout
    for expected in ("true", "false"):
        done = run_command("partition", "convert", "--json", "--width", "week", variables=variables)
        assert f'"converted": {expected}' in done.stdout, done.stderr
    kept = run_command("partition", "maintain", "--ahead", "4", "--json", variables=variables)
    assert '"made": 1' in kept.stdout
    assert run_command("partition", "abandon", variables=variables).stdout == "no conversion is under way\n"
    assert "sessions_default" in run_command("partition", "show", variables=variables).stdout


async def all_of(connection: asyncpg.Connection) -> list[str]:
    """Return every session with every column."""
    rows = await connection.fetch("""
        SELECT (session_id, player_id, encounter, state, started_at, completed_at, created_at, updated_at, revision,
                extra, difficulty)::text
          FROM sessions
         ORDER BY session_id""")
    return [row[0] for row in rows]


async def things_of(connection: asyncpg.Connection) -> list[str]:
    """Return the objects that belong to the table: triggers, indexes, grants, views, a comment."""
    rows = await connection.fetch("""
        SELECT format('trigger %s %s', tgname, tgenabled) FROM pg_trigger
         WHERE tgrelid = 'sessions'::regclass AND NOT tgisinternal
         UNION ALL
        SELECT format('index %s %s', indexname, substring(indexdef FROM 'USING .*')) FROM pg_indexes
         WHERE tablename = 'sessions' AND indexname <> 'sessions_pkey'
         UNION ALL
        SELECT format('grant %s', acl) FROM pg_class, unnest(relacl) AS acl WHERE oid = 'sessions'::regclass
         UNION ALL
        SELECT format('view %s %s %s', relname, reloptions, pg_get_viewdef(oid)) FROM pg_class
         WHERE relkind = 'v' AND relname IN ('report', 'active_sessions')
         UNION ALL
        SELECT format('comment %s', obj_description('sessions'::regclass))
         ORDER BY 1""")
    return [row[0] for row in rows]
