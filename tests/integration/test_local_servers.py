"""The private servers start, stop, are killed and start again; this module may kill its servers."""

import re
import socket
from pathlib import Path
from typing import Final

import aio_pika
import asyncpg
import pytest

from deploy.local.errors import CommandFailed, MissingPrograms, StartFailed
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import PostgresServer
from deploy.local.processes import Process, family, is_alive
from deploy.local.programs import rabbitmq_programs
from deploy.local.rabbitmq import RabbitServer
from deploy.local.record import read_record
from deploy.local.server import Server
from tests.support.selection import long

SHARED_MEMORY: Final = re.compile(r"/dev/shm/PostgreSQL\.\d+")  # noqa: S108 - PostgreSQL makes them
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"
_POSTGRES_GREETING = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # an SSLRequest
_SILENCE_SECONDS = 0.3


@pytest.fixture
def postgres(own_postgres: PostgresServer) -> PostgresServer:
    """Return the module's PostgreSQL, running."""
    own_postgres.start()
    return own_postgres


@pytest.fixture
def rabbit(breakable_rabbit: RabbitServer) -> RabbitServer:
    """Return a running RabbitMQ that may be killed."""
    return breakable_rabbit


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restarted_postgres_keeps_its_port_and_its_rows(postgres: PostgresServer, mode: str) -> None:
    port, pid = postgres.port, postgres.pid
    postgres.psql("create table if not exists kept as select 1 as n")
    postgres.restart("fast" if mode == "fast" else "immediate")
    assert (postgres.port, postgres.psql("select n from kept")) == (port, "1")
    assert postgres.pid != pid


def test_a_killed_postgres_leaves_no_process_and_recovers_what_was_committed(
    postgres: PostgresServer,
) -> None:
    postgres.psql("create table survivors as select generate_series(1, 1000) as n")
    processes = processes_of(postgres)
    assert len(processes) > 3
    postgres.kill()
    assert [process for process in processes if is_alive(process)] == []
    assert not postgres.is_running()
    postgres.start()
    assert postgres.psql("select count(*) from survivors") == "1000"


def test_a_frozen_postgres_accepts_and_says_nothing_until_it_is_thawed(postgres: PostgresServer) -> None:
    _assert_silent_while_frozen(postgres, _POSTGRES_GREETING)


def test_a_frozen_rabbitmq_accepts_and_says_nothing_until_it_is_thawed(rabbit: RabbitServer) -> None:
    _assert_silent_while_frozen(rabbit, _AMQP_GREETING)


def test_a_rabbitmq_has_no_plugin_in_its_code_path(rabbit: RabbitServer) -> None:
    if not (rabbitmq_programs().parent / "plugins").is_dir():
        pytest.skip("RabbitMQ's programs are scripts that run it elsewhere")
    assert rabbit.ctl("eval", "is_list(code:lib_dir(rabbit)).") == "true"
    assert rabbit.ctl("eval", "code:lib_dir(rabbitmq_management).") == "{error,bad_name}"


def test_a_refused_database_is_told_and_the_next_one_is_made(postgres_server: PostgresServer) -> None:
    with pytest.raises(CommandFailed, match='database "template1" already exists'):
        postgres_server.create_database("template1")
    postgres_server.create_database("after_a_refusal")
    postgres_server.drop_database("after_a_refusal")
    assert postgres_server.psql("SELECT count(*) FROM pg_database WHERE datname = 'after_a_refusal'") == "0"


def test_start_finds_the_server_that_another_program_started(
    postgres: PostgresServer, rabbit: RabbitServer
) -> None:
    for server in (postgres, rabbit):
        other = type(server)(server.directory)
        pid = server.pid
        other.start()
        assert (other.pid, other.port) == (pid, server.port)


def test_a_server_whose_port_was_taken_meanwhile_moves(postgres: PostgresServer) -> None:
    port = postgres.port
    postgres.stop()
    with socket.create_server((LOOPBACK, port)):
        postgres.start()
    assert postgres.port != port
    assert postgres.psql("select 1") == "1"


async def test_a_database_is_copied_from_its_template_and_dropped_with_its_connections(
    postgres: PostgresServer,
) -> None:
    postgres.psql("create table copied (n int)", "template1")
    postgres.create_database("copy", template="template1")
    assert postgres.psql("select count(*) from copied", "copy") == "0"
    client = await asyncpg.connect(postgres.url_of("copy"))
    postgres.drop_database("copy")
    with pytest.raises(asyncpg.PostgresError):
        await client.execute("select 1")
    assert postgres.psql("select count(*) from pg_database where datname = 'copy'") == "0"


def test_a_refused_statement_is_an_error_with_the_servers_words(postgres: PostgresServer) -> None:
    with pytest.raises(CommandFailed, match='relation "nowhere" does not exist'):
        postgres.psql("select * from nowhere")


def test_a_server_that_cannot_start_says_what_its_log_says(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    try:
        server.start()
        server.stop()
        server.configure("no_such_setting = 1")
        with pytest.raises(StartFailed, match="no_such_setting"):
            server.start()
    finally:
        server.erase()


def test_a_missing_program_is_an_error_that_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.programs.find_rabbitmq", lambda: None)
    with pytest.raises(MissingPrograms, match=r"RabbitMQ.*make setup"):
        RabbitServer(tmp_path / "rabbitmq").start()
    assert read_record(tmp_path / "rabbitmq").companion is None


def test_erasing_a_server_leaves_neither_process_nor_file_nor_memory(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    processes, place = processes_of(server), read_record(server.directory).place
    mapped = SHARED_MEMORY.findall(Path(f"/proc/{server.pid}/maps").read_text(encoding="utf-8"))
    assert any(Path(segment).exists() for segment in mapped)
    server.erase()
    assert [process for process in processes if is_alive(process)] == []
    assert [segment for segment in mapped if Path(segment).exists()] == []
    assert place is not None
    assert not Path(place).exists()
    assert not server.directory.exists()


@pytest.mark.parametrize(
    "mode", ["kill", pytest.param("stop", marks=long("a broker that is killed is tried by each change"))]
)
async def test_rabbitmq_keeps_confirmed_messages_over_a_restart(rabbit: RabbitServer, mode: str) -> None:
    port = rabbit.port
    await _publish(rabbit.url, f"kept-{mode}", b"kept")
    rabbit.sync()
    rabbit.restart("kill" if mode == "kill" else "stop")
    assert rabbit.port == port
    assert await _take(rabbit.url, f"kept-{mode}") == b"kept"


def test_rabbitmqctl_speaks_to_this_node_and_no_other(rabbit: RabbitServer) -> None:
    assert rabbit.node in rabbit.ctl("eval", "node().")
    with pytest.raises(CommandFailed, match="no_such_command"):
        rabbit.ctl("no_such_command")


def test_a_killed_rabbitmq_leaves_no_process(rabbit: RabbitServer) -> None:
    record = read_record(rabbit.directory)
    processes = [*processes_of(rabbit), *filter(None, [record.companion])]
    rabbit.kill()
    assert [process for process in processes if is_alive(process)] == []


def processes_of(server: Server) -> list[Process]:
    """Return the server's main process and all of its children."""
    process = read_record(server.directory).process
    assert process is not None
    return family(process)


def _assert_silent_while_frozen(server: Server, greeting: bytes) -> None:
    server.freeze()
    try:
        with socket.create_connection((LOOPBACK, server.port), timeout=_SILENCE_SECONDS) as client:
            client.sendall(greeting)
            with pytest.raises(TimeoutError):
                client.recv(1)
            server.thaw()
            client.settimeout(10)
            assert client.recv(1)
    finally:
        server.thaw()


async def _publish(url: str, queue: str, body: bytes) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue, timeout=10)


async def _take(url: str, queue: str) -> bytes:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        message = await (await channel.get_queue(queue)).get(timeout=10)
        await message.ack()
        return message.body
