"""A PostgreSQL that writes nothing through to the disk: most of a test's database is made and dropped."""

from deploy.local.postgres import PostgresServer

_SETTINGS = """
fsync = off
full_page_writes = off
"""


class QuickPostgres(PostgresServer):
    """A server whose commits outlive its processes, but not a crash of the machine."""

    def _initialize(self) -> None:
        super()._initialize()
        self.configure(_SETTINGS)
