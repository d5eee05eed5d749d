"""A PostgreSQL without `fsync`: most of the work for a test's database is to make and to drop it."""

from deploy.local.postgres import PostgresServer

_SETTINGS = """
fsync = off
full_page_writes = off
"""


class QuickPostgres(PostgresServer):
    """A server whose commits survive its processes, but not a crash of the machine."""

    def _initialize(self) -> None:
        super()._initialize()
        self.configure(_SETTINGS)
