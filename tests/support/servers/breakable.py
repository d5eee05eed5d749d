"""One PostgreSQL and one RabbitMQ for all the tests of a run that stop, kill and freeze servers.

Each test gets them running and as they were made. A test that failed may have left them in any state: the next one
gets new ones.
"""

from pathlib import Path
from typing import Final

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.servers.layouts import Templates

HAS_FAILED: Final = pytest.StashKey[bool]()
"""Where a test notes that it failed."""
_AS_MADE: Final = """
SET default_transaction_read_only = off;
ALTER SYSTEM RESET ALL;
SELECT pg_reload_conf();
SELECT format('ALTER ROLE %I CONNECTION LIMIT -1', rolname), format('ALTER ROLE %I RESET ALL', rolname)
  FROM pg_roles WHERE rolname LIKE 'session\\_store\\_%' \\gexec
"""


class BreakableServers:
    """Both servers, each started when a test asks for it."""

    def __init__(self, slot: Path, templates: Templates) -> None:
        self._postgres = PostgresServer(slot / "postgres-breakable")
        self._rabbit = RabbitServer(slot / "rabbitmq-breakable")
        self._templates = templates

    def ready_postgres(self) -> PostgresServer:
        """Return the PostgreSQL, running."""
        self._postgres.start()
        return self._postgres

    def ready_rabbit(self) -> RabbitServer:
        """Return the RabbitMQ, running."""
        self._rabbit.start()
        return self._rabbit

    def put_back_postgres(self, *, has_failed: bool) -> None:
        """Have the server and its roles as they were made."""
        if has_failed:
            self._postgres.erase()
            self._templates.forget(self._postgres)
        else:
            self._postgres.start()
            self._postgres.psql(_AS_MADE)

    def put_back_rabbit(self, *, has_failed: bool) -> None:
        """Have the broker running, or nothing left of it after a failure."""
        if has_failed:
            self._rabbit.erase()
        else:
            self._rabbit.start()

    def end(self) -> None:
        """Leave no process behind."""
        self._postgres.kill()
        self._rabbit.kill()
