"""A database that would lose sessions or block writes is refused, and the advice helps."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from unittest.mock import AsyncMock
from uuid import uuid4

import asyncpg
import pytest

from contracts.requests import CountParams
from deploy.local.postgres import PostgresServer
from tests.support.events.model import Event
from tests.support.events.session_events import apply_one
from tests.support.programs.patient import examine, follow
from tests.support.servers.storages import storage_at
from worker.doctor.finding import State
from worker.rpc.answers import Answers, RpcFailure
from worker.rpc.deadline import Deadline
from worker.rpc.health_check import HealthCheck
from worker.store.migrations import migrate
from worker.store.unfit import EncodingRefused, SchemaMoved

NOBODY = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1/"}


@contextmanager
def database_in(server: PostgresServer, encoding: str) -> Iterator[str]:
    """Yield the URL of an empty database with an encoding."""
    name = f"test_{secrets.token_hex(6)}"
    server.psql(
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    yield server.url_of(name)
    server.drop_database(name)


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def odd_database_url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of an empty database with another encoding than ours."""
    with database_in(postgres_server, request.param) as url:
        yield url


async def test_a_database_of_another_encoding_is_refused_by_all(odd_database_url: str) -> None:
    with pytest.raises(EncodingRefused, match=r"encoding is .*createdb --encoding=UTF8"):
        await migrate(odd_database_url)
    async with storage_at(odd_database_url) as storage:
        with pytest.raises(EncodingRefused):
            await storage.check_schema()
    found = await examine({"DATABASE_URL": odd_database_url, **NOBODY})
    assert found["database.encoding"].state is State.ERROR
    assert "createdb" in found["database.encoding"].fix


async def test_a_question_that_the_database_cannot_represent_is_the_callers_fault(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ask a database of an earlier release, which did not refuse this encoding."""
    monkeypatch.setattr("worker.store.migrations.refuse_unfit", AsyncMock())
    params = CountParams.model_validate({"filter": {"playerId": "\N{GRINNING FACE}"}})
    with database_in(postgres_server, "LATIN1") as url:
        await migrate(url)
        async with storage_at(url) as storage:
            answers = Answers(storage.reader, cast(HealthCheck, None))
            with pytest.raises(RpcFailure, match="SQLSTATE 22P05") as failed:
                await answers.answer(params, Deadline.of(10))
    assert failed.value.error.data.reason == "invalid_params"
    assert failed.value.error.data.details


async def test_a_session_at_the_end_of_the_range_is_found_and_freed(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    frozen = Event("frozen", 2**53 - 1, uuid4())
    assert (await apply_one(connection, frozen)).outcome == "stored"
    patient = {"DATABASE_URL": database_url, **NOBODY}
    found = (await examine(patient))["database.revisions"]
    assert found.state is State.ERROR
    assert found.message.startswith("no event changes frozen:")
    await follow(found.fix, patient)
    assert (await examine(patient))["database.revisions"].state is State.OK
    later = Event("frozen", time.time_ns() // 1000, uuid4())
    assert (await apply_one(connection, later)).outcome == "stored"
    await connection.close()


async def test_a_schema_that_was_renamed_is_refused_until_its_functions_follow(database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        f"ALTER SCHEMA public RENAME TO games; ALTER DATABASE {name} SET search_path = games"
    )
    with pytest.raises(SchemaMoved, match="apply_session_events") as refused:
        await migrate(database_url)
    async with storage_at(database_url) as storage:
        with pytest.raises(SchemaMoved):
            await storage.check_schema()
        schema = (await examine({"DATABASE_URL": database_url, **NOBODY}))["database.schema"]
        assert "apply_session_events" in schema.message
        await follow(schema.fix, {"DATABASE_URL": database_url})
        await storage.check_schema()
    await connection.close()
    assert await migrate(database_url) == []
    assert str(refused.value).count("ALTER FUNCTION") == schema.fix.count("ALTER FUNCTION")
