"""Databases on a server that is as durable as in production, for the modules that import these fixtures.

The doctor warns about the shared server, which runs with `fsync` off.
"""

from collections.abc import Iterator

import pytest

from deploy.local.postgres import PostgresServer
from tests.support.servers.running import database_copy


@pytest.fixture
def database_url(breakable_database_url: str) -> str:
    """Return the URL of a migrated, empty database of this test alone."""
    return breakable_database_url


@pytest.fixture
def empty_database_url(breakable_postgres: PostgresServer) -> Iterator[str]:
    """Yield the URL of a database of this test alone with nothing in it."""
    yield from database_copy(breakable_postgres, None)
