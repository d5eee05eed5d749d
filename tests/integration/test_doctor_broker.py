"""The doctor's findings for a broker with faults, and for servers that refuse its login."""

import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import cast
from unittest.mock import AsyncMock

import aio_pika
import pytest
from yarl import URL

from contracts.topology import Topology
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.broker_user import broker_user
from tests.support.broker.dead_letters import send_letters
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.patient import examine, follow, states_of
from tests.support.servers.durable import database_url
from tests.support.servers.layouts import on_layout
from worker.doctor import workers
from worker.doctor.finding import State

__all__ = ["database_url"]  # fixtures: the shared server is not durable

pytestmark = on_layout("plain")  # the broker knows no layout

NO_WORKER = {"broker.consumers": "error"}
SECRET = "hidden-password"


@pytest.mark.parametrize(
    ("database", "broker", "check", "words"),
    [
        ("postgresql://session_store:{s}@{d}/x", "amqp://guest:{s}@{b}/", "login", "refused"),
        ("postgresql://session_store:{p}@{d}/none", "amqp://guest:guest@{b}/none", "login", "none"),
        ("postgresql://u:{s}@nowhere.invalid/x", "amqp://u:{s}@nowhere.invalid/", "host", "no address"),
        ("postgresql://u:{s}@127.0.0.1:1/x", "amqp://u:{s}@127.0.0.1:1/", "port", "connection refused"),
        ("postgresql://u:{s}@{d}/x?sslmode=require", "amqps://u:{s}@{b}/", "login", " has no TLS"),
        ("postgresql://u:{s}@{b}/x", "amqp://u:{s}@{d}/", "login", ""),
    ],
    ids=["password", "name", "host", "port", "TLS", "another kind of server"],
)
async def test_who_is_not_let_in_is_told_where_it_ends(
    servers: Variables, database: str, broker: str, check: str, words: str
) -> None:
    url = servers["DATABASE_URL"]
    password, _, place = url.rpartition("/")[0].removeprefix("postgresql://session_store:").partition("@")
    known = {"s": SECRET, "p": password, "d": place, "b": servers["AMQP_URL"].split("@")[1].strip("/")}
    found = await examine(servers, DATABASE_URL=database.format_map(known), AMQP_URL=broker.format_map(known))
    wrong = {name for name, state in states_of(found).items() if state == "error"}
    assert wrong == {f"database.{check}", f"broker.{check}"}
    for server in ("database", "broker"):
        finding = found[f"{server}.{check}"]
        assert words in finding.message
        assert finding.fix
        assert found[f"{server}.version"].state is State.SKIPPED
    assert SECRET not in str(found)
    assert password not in str(found)


async def test_a_user_with_as_many_connections_as_it_may_have_is_not_told_to_make_a_virtual_host(
    servers: Variables, rabbit_server: RabbitServer
) -> None:
    with broker_user(rabbit_server, ".*", ".*", ".*") as url:
        user = URL(url).user or ""
        rabbit_server.ctl("set_user_limits", user, '{"max-connections": 0}')
        found = (await examine(servers, AMQP_URL=url))["broker.login"]
        assert found.state is State.ERROR
        assert "limit" in found.message
        assert "add_vhost" not in (found.fix or "")
        limits = rabbit_server.ctl(*shlex.split((found.fix or "").split("; ")[-1])[1:])
        assert '"max-connections":0' in limits.replace(" ", "")


async def test_what_is_missing_is_declared_by_the_command(servers: Variables) -> None:
    found = await examine(servers)
    assert states_of(found) == {"broker.topology": "error"}
    assert found["broker.topology"].message.count("is missing") == 8
    assert found["broker.consumers"].message == "needs broker.topology"
    await follow(found["broker.topology"].fix, servers)
    found = await examine(servers)
    assert states_of(found) == NO_WORKER
    assert found["broker.consumers"].fix == "session-store run"
    assert found["workers.answer"].state is State.SKIPPED


async def test_a_queue_declared_differently_is_deleted_and_declared_by_the_command(
    installation: Variables, rabbit_server: RabbitServer
) -> None:
    name = Topology(installation["SESSION_STORE_PREFIX"]).write_queue.name
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        await channel.queue_delete(name)
        await channel.declare_queue(name, durable=True)
    topology = (await examine(installation))["broker.topology"]
    assert (topology.state, topology.message) == (State.ERROR, f"{name} is declared differently")
    delete, declare = topology.fix.split(" && ")
    rabbit_server.ctl(*shlex.split(delete)[1:])
    await follow(declare, installation)
    assert states_of(await examine(installation)) == NO_WORKER


async def test_a_dead_letter_is_listed_by_the_command(installation: Variables) -> None:
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    await send_letters(installation["AMQP_URL"], topology, [b"{"])
    found = await examine(installation)
    assert states_of(found) == {**NO_WORKER, "broker.dead_letters": "warning"}
    assert "bad_json" in await follow(found["broker.dead_letters"].fix, installation)


async def test_an_installation_with_a_worker_has_nothing_to_mend(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    found = await examine(installation)
    assert states_of(found) == {}
    assert "1 x 10 for workers" in found["workers.connections"].message


@pytest.mark.parametrize(("hours", "found"), [(-1, "ahead of"), (1, "behind")])
async def test_a_worker_whose_clock_differs_from_this_hosts_is_found(
    installation: Variables,
    start_replica: StartReplica,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
    found: str,
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wrong":
            return cast(Wrong, datetime.now(tz) + timedelta(hours=hours))

    await start_replica()
    monkeypatch.setattr(workers, "datetime", Wrong)
    findings = await examine(installation)
    assert states_of(findings) == {"workers.answer": "warning"}
    said = rf"the worker's clock is (3600|35\d\d) s {found} this host's"
    assert re.search(said, findings["workers.answer"].message)


async def test_a_worker_that_does_not_answer_is_found(installation: Variables) -> None:
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        for queue in (topology.write_queue, topology.delete_queue, topology.rpc_queue):
            await (await channel.get_queue(queue.name)).consume(AsyncMock())
        found = await examine(installation, timeout=1)
    assert states_of(found) == {"workers.answer": "error"}


@pytest.fixture
def memory_alarm(rabbit_server: RabbitServer) -> Iterator[None]:
    rabbit_server.ctl("set_vm_memory_high_watermark", "0")
    yield
    rabbit_server.ctl("set_vm_memory_high_watermark", "0.4")


@pytest.mark.usefixtures("memory_alarm")
async def test_a_broker_that_takes_nothing_is_found(installation: Variables) -> None:
    found = await examine(installation, timeout=2)
    assert states_of(found) == {**NO_WORKER, "broker.alarms": "error"}
    assert "short of memory or disk" in found["broker.alarms"].message


@pytest.fixture
def limited_url(rabbit_server: RabbitServer) -> Iterator[str]:
    """Yield the URL of a user who may publish nothing."""
    with broker_user(rabbit_server, "", "", ".*") as url:
        yield url


async def test_a_user_is_let_publish_by_the_command(
    installation: Variables, rabbit_server: RabbitServer, limited_url: str
) -> None:
    alarms = (await examine(installation, AMQP_URL=limited_url))["broker.alarms"]
    assert (alarms.state, "may not publish" in alarms.message) == (State.ERROR, True)
    rabbit_server.ctl(*shlex.split(alarms.fix)[1:])
    assert states_of(await examine(installation, AMQP_URL=limited_url)) == NO_WORKER
