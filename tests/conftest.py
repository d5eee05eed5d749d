"""The servers of the tests: real and private, started for the first test that asks, ended with the run.

A server that does not start is an error, never a skipped test. tests/README.md lists the fixtures.
"""

import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.examples import register_profiles
from tests.support.programs.forked import FORKING, ForkServer
from tests.support.programs.installation import installation, plain_installation, servers, start_replica
from tests.support.selection import on_which_layouts, order
from tests.support.servers.authority import SecureServers, prepared_servers
from tests.support.servers.breakable import HAS_FAILED, BreakableServers
from tests.support.servers.layouts import CHOSEN_LAYOUT, Templates
from tests.support.servers.quick import QuickPostgres
from tests.support.servers.running import database_copy, prefix_on, running_postgres, running_rabbit
from tests.support.servers.slots import claim_slot

__all__ = ["installation", "plain_installation", "servers", "start_replica"]  # fixtures for every suite

register_profiles()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a run in the background: programs would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that has a database on each requested layout."""
    if layouts := on_which_layouts(metafunc.definition):
        metafunc.parametrize("layout", layouts, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the suites with long files first."""
    order(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note that a test failed: the breakable servers that it used are replaced."""
    report = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def slot() -> Iterator[Path]:
    """Yield this run's directory for servers (each xdist worker has its own)."""
    with claim_slot() as directory:
        yield directory


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """Fork programs from a process with their modules loaded, unless `PROGRAMS` is `executed`."""
    server = ForkServer()
    if os.environ.get("PROGRAMS") != "executed":
        FORKING.server = server
    yield
    server.end()


@pytest.fixture(scope="session")
def postgres_server(slot: Path) -> Iterator[PostgresServer]:
    """Yield the run's PostgreSQL; tests share it and must leave it running."""
    yield from running_postgres(QuickPostgres(slot / "postgres"))


@pytest.fixture(scope="session")
def rabbit_server(slot: Path) -> Iterator[RabbitServer]:
    """Yield the run's RabbitMQ; tests share it and must leave it running."""
    yield from running_rabbit(slot / "rabbitmq")


@pytest.fixture(scope="session")
def breakable_servers(slot: Path, templates: Templates) -> Iterator[BreakableServers]:
    """Yield the run's PostgreSQL and RabbitMQ that a test may stop, kill and freeze."""
    servers = BreakableServers(slot, templates)
    yield servers
    servers.end()


@pytest.fixture
def breakable_postgres(
    breakable_servers: BreakableServers, request: pytest.FixtureRequest
) -> Iterator[PostgresServer]:
    """Yield a running PostgreSQL that this test may stop, kill, freeze and `ALTER SYSTEM`."""
    yield breakable_servers.ready_postgres()
    breakable_servers.put_back_postgres(has_failed=request.node.stash.get(HAS_FAILED, False))


@pytest.fixture
def breakable_rabbit(
    breakable_servers: BreakableServers, request: pytest.FixtureRequest
) -> Iterator[RabbitServer]:
    """Yield a RabbitMQ that this test may stop, kill and freeze; the test must reset policies and limits."""
    yield breakable_servers.ready_rabbit()
    breakable_servers.put_back_rabbit(has_failed=request.node.stash.get(HAS_FAILED, False))


@pytest.fixture(scope="module")
def own_postgres(slot: Path, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Yield a PostgreSQL of this test module alone, which its tests may configure."""
    yield from running_postgres(PostgresServer(slot / f"postgres-{_module_name(request)}"))


@pytest.fixture(scope="module")
def own_rabbit(slot: Path, request: pytest.FixtureRequest) -> Iterator[RabbitServer]:
    """Yield a RabbitMQ of this test module alone, which its tests may configure."""
    yield from running_rabbit(slot / f"rabbitmq-{_module_name(request)}")


@pytest.fixture(scope="session")
def secure_servers(slot: Path) -> Iterator[SecureServers]:
    """Yield servers that require TLS and a client certificate, with the schema and the topology in place."""
    postgres, rabbit = PostgresServer(slot / "postgres-tls"), RabbitServer(slot / "rabbitmq-tls")
    try:
        with prepared_servers(postgres, rabbit) as secure:
            yield secure
    finally:
        postgres.stop("immediate")
        rabbit.kill()


@pytest.fixture(scope="session")
def layout() -> str:
    """Return the layout of the sessions for a test that does not run on each layout."""
    return CHOSEN_LAYOUT


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Return the run's template databases: migrated, and without a connection."""
    return Templates()


@pytest.fixture(scope="module")
def template_database(postgres_server: PostgresServer, templates: Templates, layout: str) -> str:
    """Return the name of a migrated database with this layout."""
    return templates.name_of(postgres_server, layout)


@pytest.fixture
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Yield the URL of a migrated, empty database of this test alone."""
    yield from database_copy(postgres_server, template_database)


@pytest.fixture
def breakable_database_url(
    breakable_postgres: PostgresServer, templates: Templates, layout: str
) -> Iterator[str]:
    """Yield the same as `database_url`, on the server that the test may break."""
    yield from database_copy(breakable_postgres, templates.name_of(breakable_postgres, layout))


@pytest.fixture
def own_database_url(own_postgres: PostgresServer, templates: Templates, layout: str) -> Iterator[str]:
    """Yield the same as `database_url`, on the module's own server."""
    yield from database_copy(own_postgres, templates.name_of(own_postgres, layout))


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the URL of an empty database of this test alone, not migrated."""
    yield from database_copy(postgres_server, None)


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer) -> str:
    """Return the URL of the run's RabbitMQ."""
    return rabbit_server.url


@pytest.fixture
async def prefix(rabbit_server: RabbitServer) -> AsyncIterator[str]:
    """Yield a prefix for the names of this test's queues and exchanges, which are deleted afterwards."""
    async with prefix_on(rabbit_server) as prefix:
        yield prefix


@pytest.fixture
async def breakable_prefix(breakable_rabbit: RabbitServer) -> AsyncIterator[str]:
    """Yield the same as `prefix`, for the RabbitMQ that the test may break."""
    async with prefix_on(breakable_rabbit) as prefix:
        yield prefix


def _module_name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).rpartition("/")[2].removesuffix(".py").replace("_", "-")
