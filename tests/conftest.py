"""Servers for the tests: real, private, started when the first test asks, ended with the run.

A server that does not start is an error, never a skipped test.
"""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contracts.topology import Topology
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.installation import (
    delete_topology,
    installation,
    plain_installation,
    servers,
    start_replica,
)
from tests.support.servers.layouts import CHOSEN_LAYOUT, LAYOUTS, Templates
from tests.support.servers.slots import claim_slot

__all__ = [  # fixtures for every suite, and what cleans up after one
    "delete_topology",
    "installation",
    "plain_installation",
    "servers",
    "start_replica",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so, and has a database, on both layouts."""
    if "layout" in metafunc.fixturenames and metafunc.definition.get_closest_marker("on_both_layouts"):
        metafunc.parametrize("layout", LAYOUTS, scope="module")


@pytest.fixture(scope="session")
def slot() -> Iterator[Path]:
    """Yield this run's directory for servers (each xdist worker has its own)."""
    with claim_slot() as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres_server(slot: Path) -> Iterator[PostgresServer]:
    """Yield the run's PostgreSQL; tests share it and must leave it running."""
    yield from _running_postgres(slot / "postgres")


@pytest.fixture(scope="session")
def rabbit_server(slot: Path) -> Iterator[RabbitServer]:
    """Yield the run's RabbitMQ; tests share it and must leave it running."""
    yield from _running_rabbit(slot / "rabbitmq")


@pytest.fixture(scope="module")
def own_postgres(slot: Path, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Yield a PostgreSQL of this test module alone, which its tests may stop, kill and freeze."""
    yield from _running_postgres(slot / f"postgres-{_module_name(request)}")


@pytest.fixture(scope="module")
def own_rabbit(slot: Path, request: pytest.FixtureRequest) -> Iterator[RabbitServer]:
    """Yield a RabbitMQ of this test module alone, which its tests may stop, kill and freeze."""
    yield from _running_rabbit(slot / f"rabbitmq-{_module_name(request)}")


@pytest.fixture(scope="session")
def layout() -> str:
    """Return the layout of the sessions; a module that marks itself `on_both_layouts` runs on each."""
    return CHOSEN_LAYOUT


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Return what keeps the run's migrated databases, which nobody is connected to."""
    return Templates()


@pytest.fixture(scope="module")
def template_database(postgres_server: PostgresServer, templates: Templates, layout: str) -> str:
    """Return the name of a migrated database with this layout."""
    return templates.name_of(postgres_server, layout)


@pytest.fixture(scope="module")
def own_template_database(own_postgres: PostgresServer, templates: Templates, layout: str) -> str:
    """Return the name of a migrated database on the module's own server."""
    return templates.name_of(own_postgres, layout)


@pytest.fixture
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Yield the URL of a migrated, empty database of this test alone."""
    yield from database_copy(postgres_server, template_database)


@pytest.fixture
def own_database_url(own_postgres: PostgresServer, own_template_database: str) -> Iterator[str]:
    """Yield the URL of a migrated, empty database of this test alone, on the module's own server."""
    own_postgres.start()
    yield from database_copy(own_postgres, own_template_database)


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the URL of a database of this test alone with nothing in it."""
    yield from database_copy(postgres_server, None)


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer) -> str:
    """Return the URL of the run's RabbitMQ."""
    return rabbit_server.url


@pytest.fixture
async def prefix(amqp_url: str) -> AsyncIterator[str]:
    """Yield a prefix for the names of this test's queues and exchanges, which are deleted afterwards."""
    prefix = unique_prefix()
    yield prefix
    await delete_topology(amqp_url, Topology(prefix))


@pytest.fixture
async def own_prefix(own_rabbit: RabbitServer) -> AsyncIterator[str]:
    """Yield what `prefix` does, for the module's own RabbitMQ."""
    own_rabbit.start()
    prefix = unique_prefix()
    yield prefix
    own_rabbit.start()
    await delete_topology(own_rabbit.url, Topology(prefix))


def unique_prefix() -> str:
    """Return a prefix that no other test has."""
    return f"t{secrets.token_hex(4)}."


def _running_postgres(directory: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")


def _running_rabbit(directory: Path) -> Iterator[RabbitServer]:
    server = RabbitServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def database_copy(server: PostgresServer, template: str | None) -> Iterator[str]:
    """Yield the URL of a new database, a copy of the template where there is one, which goes afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield server.create_database(name, template)
    server.start()
    server.drop_database(name)


def _module_name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).rpartition("/")[2].removesuffix(".py").replace("_", "-")
