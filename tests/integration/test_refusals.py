"""A worker waits for a database that refuses every event: the events are valid, the database is at fault."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from contracts.topology import DELETE_KEY, WRITE_KEY
from tests.integration.test_write_path import unindexable
from tests.support.programs.watched_worker import (
    Installation,
    codes_of,
    event_body,
    install,
    until,
    write_body,
)
from worker.errors import StorageUnavailable
from worker.store.rows import EventRow
from worker.store.storage import Storage
from worker.store.writer import EventWriter

NO_TRANSACTION_IDS = """
    CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'database is not accepting commands' USING ERRCODE = 'program_limit_exceeded'; END $$;
    CREATE TRIGGER refuse_all BEFORE INSERT OR UPDATE ON session_ledger FOR EACH ROW EXECUTE FUNCTION refuse_all()
"""
CHANGES = {
    "54000": (NO_TRANSACTION_IDS, "DROP FUNCTION refuse_all CASCADE"),
    "23514": (
        "ALTER TABLE sessions ADD tenant text, ADD CHECK (tenant IS NOT NULL) NOT VALID",
        "ALTER TABLE sessions DROP tenant",
    ),
    "23502": (
        "ALTER TABLE sessions ADD tenant text DEFAULT 'a'; ALTER TABLE sessions ALTER tenant SET NOT NULL;"
        "ALTER TABLE sessions ALTER tenant DROP DEFAULT",
        "ALTER TABLE sessions DROP tenant",
    ),
}


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    async with install(database_url, amqp_url, prefix, patience_s="1") as installation:
        yield installation


@pytest.mark.on_both_layouts
@pytest.mark.parametrize("sqlstate", CHANGES)
async def test_events_wait_for_a_database_that_refuses_every_event(
    installation: Installation, sqlstate: str
) -> None:
    change, cure = CHANGES[sqlstate]
    await installation.write("before")
    await installation.settle()
    await installation.database.execute(change)
    for number in range(5):
        await installation.write(f"sess {number}")
    await until(lambda: installation.worker.state().serving.paused)
    assert installation.worker.state().serving.storing == f"refuses every event, SQLSTATE {sqlstate}"
    await installation.database.execute(cure)
    await installation.settle()
    assert await installation.dead_letters(0) == []
    assert set(await installation.revisions()) == {"before", *(f"sess {number}" for number in range(5))}


async def test_an_event_that_is_refused_alone_is_told_from_a_database_that_takes_the_others(
    installation: Installation,
) -> None:
    await installation.database.execute(
        'ALTER TABLE sessions ADD CHECK (encounter @> \'{"difficulty": "easy"}\')'
    )
    await installation.caller.send(write_body("good", encounter={"difficulty": "easy"}), WRITE_KEY)
    for body in (
        write_body("hard", encounter={"difficulty": "hard"}),
        write_body("x", encounter=unindexable()),
    ):
        await installation.caller.publish(body, WRITE_KEY)
    await installation.caller.publish(event_body(DELETE_KEY, "good", {"revision": 2}), DELETE_KEY)
    assert codes_of(await installation.dead_letters(2)) == ["refused_by_database"] * 2


@pytest.mark.parametrize("name", ["writer", "deleter"])
async def test_each_writer_tells_it(storage: Storage, connection: asyncpg.Connection, name: str) -> None:
    delete = EventRow("sess", 1, uuid4(), None, is_delete=True)
    writer: EventWriter = getattr(storage, name)
    await connection.execute(NO_TRANSACTION_IDS)
    with pytest.raises(StorageUnavailable, match="refuses every event, SQLSTATE 54000"):
        await writer.apply([[delete]])
    await connection.execute("DROP FUNCTION refuse_all CASCADE")
    (applied,) = await writer.apply([[delete]])
    assert applied["sess"].outcome == "absent"
    assert await connection.fetchval("SELECT count(*) FROM session_ledger") == 1
