"""A connection to PostgreSQL has the parameters of its URL, and none of the environment that the URL overrides."""

import socket

import asyncpg
import pytest

from worker.errors import DatabaseRefused
from worker.store.connecting import SocketConnection, connect


async def test_parameters_reach_the_server_and_the_socket(database_url: str) -> None:
    connection = await connect(
        f"{database_url}?options=-c%20work_mem%3D7MB&search_path=games&application_name=mine&connect_timeout=20"
        "&keepalives_idle=77&tcp_user_timeout=7000&gssencmode=prefer&channel_binding=prefer"
    )
    assert isinstance(connection, SocketConnection)
    names = ("work_mem", "search_path", "application_name")
    found = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
    assert found == ["7MB", "games", "mine"]
    sock = connection.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
    await connection.close()


async def test_what_the_program_asks_for_goes_before_the_url(database_url: str) -> None:
    connection = await connect(
        f"{database_url}?application_name=theirs", settings={"application_name": "ours"}
    )
    assert await connection.fetchval("SHOW application_name") == "ours"
    await connection.close()


async def test_the_url_goes_before_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "absent.invalid",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGDATABASE": "absent",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/absent",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    connection = await connect(f"{database_url}?sslmode=disable&target_session_attrs=any")
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_the_environment_fills_in_what_the_url_leaves_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGAPPNAME", "from the environment")
    connection = await connect(database_url)
    assert await connection.fetchval("SHOW application_name") == "from the environment"
    await connection.close()
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await connect(database_url)


@pytest.mark.parametrize("query", ["nonsense=1", "work_mem=much", "data_checksums=on"])
async def test_a_parameter_that_the_server_does_not_take_is_a_refusal_that_names_it(
    database_url: str, query: str
) -> None:
    with pytest.raises(DatabaseRefused, match="a parameter of the connection is refused") as refused:
        await connect(f"{database_url}?{query}")
    [note] = refused.value.__notes__
    assert note.endswith(f", parameters {query.partition('=')[0]}")
