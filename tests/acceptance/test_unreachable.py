"""Common mistakes in a URL: each command names the server, the user, the answer, and `doctor` for more."""

import re
from dataclasses import dataclass
from typing import Final

import pytest
from yarl import URL

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.broker.broker_user import broker_user
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica

TRY_LATER: Final = 75
CORRECT_SOMETHING: Final = 78
PLAIN: Final = {"SESSION_STORE_ALLOW_PLAIN_TEXT": "true"}
ADVICE: Final = (
    "session-store: run session-store doctor with the same settings: it finds the cause and prints the fix"
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of a URL, and the message that it must give."""

    said: str
    status: int = CORRECT_SOMETHING
    user: str | None = None
    password: str | None = None
    path: str | None = None
    host: str | None = None
    port: int | None = None
    query: str | None = None

    def in_url(self, url: str) -> URL:
        made = URL(url)
        made = made.with_user(self.user) if self.user else made
        made = made.with_password(self.password) if self.password else made
        made = made.with_path(self.path) if self.path else made
        made = made.with_host(self.host) if self.host else made
        made = made.with_query(self.query) if self.query else made
        return made.with_port(self.port) if self.port else made


DATABASE: Final = {
    "password": Mistake("login refused", password="wrong"),
    "role": Mistake("login refused", user="nobody"),
    "database": Mistake("no such database", path="/absent"),
    "parameter": Mistake("a parameter of the connection is refused", query="nonsense=1"),
    "value": Mistake("a parameter of the connection is refused", query="work_mem=much"),
    "port": Mistake("connection refused", TRY_LATER, port=1),
    "host": Mistake("unknown host", TRY_LATER, host="absent.invalid"),
}
BROKER: Final = {
    "password": Mistake("ACCESS_REFUSED - Login was refused", password="wrong"),
    "vhost": Mistake("NOT_ALLOWED - vhost absent not found", path="/absent"),
    "port": Mistake("Connection refused", TRY_LATER, port=1),
    "host": Mistake("Name or service not known", TRY_LATER, host="absent.invalid"),
}


@pytest.mark.parametrize("mistake", DATABASE.values(), ids=DATABASE)
def test_a_mistake_in_the_databases_url_is_said_with_the_server(servers: Variables, mistake: Mistake) -> None:
    url = mistake.in_url(servers["DATABASE_URL"])
    where = f"PostgreSQL at {url.host}:{url.port}, database {url.path[1:]}, role {url.user}"
    where += f", parameters {mistake.query.partition('=')[0]}" if mistake.query else ""
    for command in (("migrate",), ("roles",), ("export", "--to", "absent.ndjson")):
        done = run_command(*command, variables={**servers, "DATABASE_URL": str(url), **PLAIN})
        assert (done.returncode, done.stdout) == (mistake.status, "")
        assert done.stderr.splitlines() == [f"session-store: {where}: {mistake.said}", ADVICE]


def test_a_server_that_takes_no_writes_is_told_from_one_that_is_away(
    postgres_server: PostgresServer, empty_database_url: str
) -> None:
    url = URL(empty_database_url)
    postgres_server.psql(f"ALTER DATABASE {url.path[1:]} SET default_transaction_read_only = on")
    for command in ("migrate", "roles"):
        done = run_command(command, variables={"DATABASE_URL": empty_database_url})
        assert done.returncode == TRY_LATER
        where = f"PostgreSQL at {url.host}:{url.port}, database {url.path[1:]}, role {url.user}"
        assert done.stderr.splitlines() == [f"session-store: {where}: read-only", ADVICE]


@pytest.mark.parametrize("mistake", BROKER.values(), ids=BROKER)
def test_a_mistake_in_the_brokers_url_is_said_with_the_server(servers: Variables, mistake: Mistake) -> None:
    url = mistake.in_url(servers["AMQP_URL"])
    where = f"RabbitMQ at {url.host}:{url.port}, virtual host {url.path[1:] or '/'}, user {url.user}"
    for command in (("topology",), ("dead", "list")):
        done = run_command(*command, variables={**servers, "AMQP_URL": str(url), **PLAIN})
        assert (done.returncode, done.stdout) == (mistake.status, "")
        said, advice = done.stderr.splitlines()
        assert said.startswith(f"session-store: {where}: ")
        assert mistake.said in said
        assert advice == ADVICE


def test_a_user_without_rights_in_the_virtual_host_is_told_so(
    servers: Variables, rabbit_server: RabbitServer
) -> None:
    with broker_user(rabbit_server, ".*", ".*", ".*") as url:
        user = URL(url).user or ""
        rabbit_server.ctl("clear_permissions", user)
        done = run_command("topology", variables={**servers, "AMQP_URL": url})
    assert f"access to vhost '/' refused for user '{user}'" in done.stderr


async def test_a_worker_says_so_too_and_shows_nobody_the_servers_address(installation: Variables) -> None:
    url = URL(installation["AMQP_URL"]).with_path("/absent")
    replica = await Replica.start(
        {**installation, "AMQP_URL": str(url), "SESSION_STORE_STARTUP_TIMEOUT_S": "1"}
    )
    logged = await replica.logged("broker.unavailable")
    assert logged["reason"] == "NOT_ALLOWED - vhost absent not found"
    assert await replica.ended() == CORRECT_SOMETHING
    assert [line for line in replica.said if f"RabbitMQ at {url.host}:{url.port}" in line]


async def test_a_worker_that_may_not_consume_says_so_and_comes_back(
    installation: Variables, rabbit_server: RabbitServer
) -> None:
    with broker_user(rabbit_server, "^$", ".*", "^$") as url:
        replica = await Replica.start({**installation, "AMQP_URL": url})
        lost = await replica.logged("broker.lost")
        assert re.search("ACCESS_REFUSED - (read )?access to queue", lost["reason"])
        back = await replica.logged("broker.connected")
        while back["reconnects"] < 3:
            back = await replica.logged("broker.connected", since=replica.mark())
        await replica.stop()
