"""The stack's logins: one command makes them, each with the rights that it needs and no more."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from yarl import URL

from contracts.access import USERS
from contracts.client import SessionStore
from deploy.local.postgres import PostgresServer
from tests.deploy.stack import LOGINS, Stack, StackBroker, mounts, services
from tests.escapes.test_doctor_security import CHECKS
from tests.integration.test_client import session_of
from tests.support.programs.command import run_command
from tests.support.programs.replica import Replica

PREPARE: Final = ("roles", "migrate", "rights", "topology")


@pytest.fixture(scope="module")
def stack(
    slot: Path, own_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Yield the stack after the services that prepare it have run, in their order."""
    directory = tmp_path_factory.mktemp("logins")
    (slot / "rabbitmq-stack").mkdir()
    rabbit = StackBroker(slot / "rabbitmq-stack")
    rabbit.definitions = directory / "rabbitmq" / "definitions.json"
    made = Stack(directory, own_postgres, rabbit)
    try:
        made.make_logins()
        before = made.shown()
        rabbit.start()
        made.make_logins()  # the service runs at each start of the stack
        assert made.shown()["superuser"] == before["superuser"]
        own_postgres.create_database("sessions")
        password = (made.place_of("postgres") / "password").read_text()
        own_postgres.psql(f"CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{password}'")  # the image does so
        for service in PREPARE:
            made.run(service)
        yield made
    finally:
        rabbit.erase()


@pytest.fixture
async def workers(stack: Stack) -> AsyncIterator[list[Replica]]:
    """Yield a serving worker of each kind."""
    started = [await Replica.start(stack.variables_of(service)) for service in ("worker", "answers")]
    for replica in started:
        await replica.logged("broker.connected")
    yield started
    for replica in started:
        await replica.stop()


def test_what_prepares_the_servers_ends_before_a_worker_starts() -> None:
    waits = {name: list(service.get("depends_on", {})) for name, service in services().items()}
    assert waits["worker"] == waits["answers"] == ["rights", "topology"]
    chain = {"rights": ["migrate"], "migrate": ["roles"], "roles": ["postgres"], "topology": ["rabbitmq"]}
    assert {name: waits[name] for name in chain} == chain
    assert waits["postgres"] == waits["rabbitmq"] == waits["grafana"] == ["logins"]


@pytest.mark.usefixtures("workers")
async def test_an_engine_is_stored_and_a_caller_answered_by_the_logins_that_are_shown(stack: Stack) -> None:
    shown = stack.shown()
    async with SessionStore(shown["engines"], timeout=20) as engine:
        assert (await engine.write(session_of(1, state={"step": 1}))).outcome == "stored"
    async with SessionStore(shown["callers"], timeout=20) as caller:
        found = await caller.read(session_of(1)["sessionId"])
        assert found is not None
        assert found.session.state == {"step": 1}
    for name in ("reports", "retain, erase", "partitions", "superuser"):
        connection = await asyncpg.connect(shown[name])
        await connection.close()


@pytest.mark.parametrize("service", ["worker", "answers"])
def test_the_doctor_finds_nothing_that_a_workers_login_may_too_much(stack: Stack, service: str) -> None:
    done = run_command("doctor", "--security", "--json", variables=stack.variables_of(service))
    found = {each["check"].removeprefix("security."): each["state"] for each in json.loads(done.stdout)}
    assert {name: found[name] for name in CHECKS} == {
        **dict.fromkeys(CHECKS, "ok"),
        **dict.fromkeys(("exposure", "broker_tls"), "warning"),  # its settings allow plain text
    }
    assert found["broker.topology"] == found["database.rights"] == "ok"


def test_each_login_has_a_password_of_its_own_and_the_broker_no_other_user(stack: Stack) -> None:
    files = [path for path in (stack.directory / "passwords").glob("*/*") if path.is_file()]
    assert len({path.read_text() for path in files}) == len(files) == 11
    stack.rabbit.restart()  # the broker loads its definitions again
    told = stack.rabbit.ctl("list_users", "--formatter", "json")
    assert {user["user"] for user in json.loads(told)} == {user.name for user in USERS}
    assert (
        "password"
        not in json.loads((stack.place_of("rabbitmq") / "definitions.json").read_text())["users"][0]
    )


def test_a_service_sees_its_own_logins_and_no_other_may_read_them(stack: Stack) -> None:
    urls = {
        service: {path.name: URL(path.read_text()).user for path in stack.place_of(service).glob("*_URL")}
        for service in ("roles", "rights", "migrate", "topology", "worker", "answers")
    }
    superuser, worker = {"DATABASE_URL": "postgres"}, "session_store_worker"
    assert urls == {
        "roles": superuser,
        "rights": superuser,
        "migrate": {"DATABASE_URL": "session_store_migrator"},
        "topology": {"AMQP_URL": "session_store_admin"},
        "worker": {"DATABASE_URL": worker, "AMQP_URL": worker},
        "answers": {"DATABASE_URL": worker, "AMQP_URL": worker},
    }
    secret = [
        path for path in stack.directory.rglob("*") if path.is_file() and path.name != "definitions.json"
    ]
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o400, 0o440}


def test_only_what_makes_the_passwords_sees_them_all_and_no_variable_holds_one() -> None:
    seen = {name: set(mounts(service).values()) for name, service in services().items()}
    assert [name for name, volumes in seen.items() if "passwords" in volumes] == ["logins"]
    own = {name: mounts(service)[LOGINS] for name, service in services().items() if LOGINS in mounts(service)}
    assert own.pop("rights") == own["roles"]
    assert len(set(own.values())) == len(own) == 8
    variables = {word for service in services().values() for word in service.get("environment", {}).items()}
    assert {name for name, _ in variables if "PASS" in name} == {
        "POSTGRES_PASSWORD_FILE",
        "GF_SECURITY_ADMIN_PASSWORD__FILE",
    }
