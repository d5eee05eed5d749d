"""An installation with the logins that the documentation creates, and no other login."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiormq
from yarl import URL

from contracts.access import ENGINE, EVENTS_VHOST, MONITOR, USERS, WORKER
from contracts.topology import Topology
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.page import commands_of, run_commands
from tests.support.programs.replica import PROGRAM

TOPOLOGY: Final = Topology()
LOGINS: Final = ("session_store_worker", "session_store_janitor", "session_store_reader")


@dataclass(frozen=True, slots=True)
class Walls:
    """Servers with an installation's users, roles and rights, and the URL of each login."""

    rabbit: RabbitServer
    postgres: PostgresServer
    database: str
    passwords: dict[str, str] = field(repr=False)

    def amqp_url(self, user: str = ENGINE, vhost: str = EVENTS_VHOST) -> str:
        """Return the URL of a virtual host for one of the broker's users."""
        url = URL(self.rabbit.url).with_user(user).with_password(self.passwords[user])
        return str(url.with_path(f"/{quote(vhost, safe='')}", encoded=True))

    async def count(self, vhost: str, queue: str) -> int | None:
        """Return how many messages wait in a queue now; the count of `rabbitmqctl` may be older."""
        async with await aiormq.connect(self.amqp_url(MONITOR, vhost)) as connection:
            channel = await connection.channel()
            return (await channel.queue_declare(queue, passive=True)).message_count

    async def count_all(self, vhost: str) -> list[int | None]:
        """Return how many wait in each queue."""
        return [await self.count(vhost, queue.name) for queue in TOPOLOGY.queues]

    def database_url(self, role: str = WORKER) -> str:
        """Return the URL of the database for one of its roles."""
        url = URL(self.postgres.url_of(self.database)).with_user(role)
        return str(url.with_password(self.passwords[role]))


def build(rabbit: RabbitServer, postgres: PostgresServer, database: str, directory: Path) -> Walls:
    """Return an installation with the users, virtual hosts and roles of docs/secure.md.

    The commands keep existing passwords: a role and the user of its name share one, for the canary. The
    commands create the migrator's.
    """
    users = [user.name for user in USERS]
    passwords = {name: secrets.token_hex(12) for name in (*users, *LOGINS)}
    for server, logins in (("postgres", LOGINS), ("rabbitmq", users)):
        (directory / server).mkdir()
        for login in logins:
            (directory / server / login).write_text(passwords[login] + "\n", encoding="utf-8")
    path = f"{PROGRAM.parent}{os.pathsep}{rabbit.environment['PATH']}"
    url = postgres.url_of(database)
    variables = {**rabbit.environment, "PATH": path, "PASSWORDS": str(directory), "DATABASE_URL": url}
    for commands in commands_of("docs/secure.md", "Roles and users"):
        run_commands(commands, variables)
    assert (directory / "postgres" / "session_store_migrator").read_text()
    return Walls(rabbit, postgres, database, passwords)
