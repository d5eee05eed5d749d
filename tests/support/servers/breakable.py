"""One PostgreSQL and one RabbitMQ for all the tests of a run that stop, kill and freeze servers.

Each test gets them running and in their first state. A failed test may leave them in any state: the next
test gets new ones.
"""

from pathlib import Path
from typing import Final

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.servers.layouts import Templates

HAS_FAILED: Final = pytest.StashKey[bool]()
"""The key under which a test records that it failed."""
_AS_MADE: Final = """
SET default_transaction_read_only = off;
ALTER SYSTEM RESET ALL;
SELECT pg_reload_conf();
SELECT format('ALTER ROLE %I CONNECTION LIMIT -1', rolname), format('ALTER ROLE %I RESET ALL', rolname)
  FROM pg_roles WHERE rolname LIKE 'session\\_store\\_%' \\gexec
"""


class BreakableServers:
    """Both servers, each started when a test needs it."""

    def __init__(self, slot: Path, templates: Templates) -> None:
        self._postgres = PostgresServer(slot / "postgres-breakable")
        self._rabbit = RabbitServer(slot / "rabbitmq-breakable")
        self._templates = templates

    def ready_postgres(self) -> PostgresServer:
        """Start PostgreSQL and return it."""
        self._postgres.start()
        return self._postgres

    def ready_rabbit(self) -> RabbitServer:
        """Start RabbitMQ and return it."""
        self._rabbit.start()
        return self._rabbit

    def put_back_postgres(self, *, has_failed: bool) -> None:
        """Reset the server and its roles to their first state, or erase the server after a failure."""
        if has_failed:
            self._postgres.erase()
            self._templates.forget(self._postgres)
        else:
            self._postgres.start()
            self._postgres.psql(_AS_MADE)

    def put_back_rabbit(self, *, has_failed: bool) -> None:
        """Start the broker, or erase it after a failure."""
        if has_failed:
            self._rabbit.erase()
        else:
            self._rabbit.start()

    def end(self) -> None:
        """End both servers at once."""
        self._postgres.stop("immediate")
        self._rabbit.kill()
