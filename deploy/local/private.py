"""An instance's servers as processes of this machine."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.endpoints import DATABASE, Endpoints
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer


class PrivateServers:
    """A PostgreSQL and a RabbitMQ with their files in one directory."""

    def __init__(self, directory: Path) -> None:
        self.postgres = PostgresServer(directory / "postgres")
        self.rabbit = RabbitServer(directory / "rabbitmq")

    def start(self) -> Endpoints:
        """Have both running and ready, with a database for sessions; returns where they are."""
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(server.start) for server in (self.postgres, self.rabbit)]:
                started.result()
        if not self.postgres.psql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608
            self.postgres.create_database(DATABASE)
        return Endpoints(self.postgres.url_of(DATABASE), self.rabbit.url)

    def stop(self) -> None:
        """Have both ended in good order; their data stays."""
        with ThreadPoolExecutor() as pool:
            for stopped in [pool.submit(server.stop) for server in (self.postgres, self.rabbit)]:
                stopped.result()

    def endpoints(self) -> Endpoints | None:
        """Return where both are, None unless both run."""
        if not (self.postgres.is_running() and self.rabbit.is_running()):
            return None
        return Endpoints(self.postgres.url_of(DATABASE), self.rabbit.url)

    def describe(self) -> list[str]:
        """Return one line a server: its kind, its place, and whether it runs."""
        servers = {"PostgreSQL": self.postgres, "RabbitMQ": self.rabbit}
        return [f"{name}: {server.describe()}" for name, server in servers.items()]

    def has_consumers(self) -> bool:
        """Return whether the write queue has a consumer."""
        rows = self.rabbit.ctl("list_queues", "name", "consumers").splitlines()
        return any(row.startswith("session.write\t") and not row.endswith("\t0") for row in rows)

    def erase(self) -> None:
        """Have both killed and every file of them gone."""
        self.postgres.erase()
        self.rabbit.erase()
