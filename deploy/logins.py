"""The logins of an installation: roles of the database and users of the broker, with a password for each.

    python -m deploy.logins DIRECTORY [--postgres HOST:PORT/DATABASE --rabbitmq HOST:PORT]
    python -m deploy.logins DIRECTORY --show postgres

The first makes a file with a new password for each login that has none: in `postgres` for `session-store roles
--passwords`, in `rabbitmq` for `python -m deploy.rabbitmq.users`. Where the servers are given it also writes URLs,
a folder for each use: `worker`, `answers`, `prepare` (migrations, topology), `nightly`, `engine`, `caller`.
The URL of a server on another host asks for TLS. The second prints a login and its password a line, for
`session-store roles --passwords -`.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from contracts.access import ADMIN, CALLER, ENGINE, EVENTS_VHOST, RPC_VHOST, USERS
from contracts.access import WORKER as WORKER_USER
from sql.logins import JANITOR, LOGINS, MIGRATOR, WORKER

SUPERUSER: Final = "postgres"
PASSWORD_BYTES: Final = 24
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
FILE_MODE: Final = 0o400
AUTHORITY: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The public authorities on Debian: a worker's unit sees no home, where PostgreSQL's driver would look."""

Passwords = Callable[[str, str], str]
"""Return the password of a login; the arguments are the server, such as `postgres` or `rabbitmq`, and the login."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are, as HOST:PORT/DATABASE and HOST:PORT, and the passwords of their logins.

    With an `authority`, a file of certificates, the URLs of servers on other hosts ask for TLS.
    """

    postgres: str
    rabbitmq: str
    password: Passwords
    authority: str = ""

    def database_url(self, role: str) -> str:
        """Return the database's URL for a role."""
        tls = f"?sslmode=verify-full&sslrootcert={self.authority}" if self._has_tls(self.postgres) else ""
        return f"postgresql://{role}:{self.password('postgres', role)}@{self.postgres}{tls}"

    def amqp_url(self, user: str, vhost: str = EVENTS_VHOST) -> str:
        """Return the URL of a virtual host for a user."""
        scheme, tls = ("amqps", f"?cafile={self.authority}") if self._has_tls(self.rabbitmq) else ("amqp", "")
        return f"{scheme}://{user}:{self.password('rabbitmq', user)}@{self.rabbitmq}/{vhost}{tls}"

    def _has_tls(self, server: str) -> bool:
        return self.authority != "" and server.partition("/")[0].rpartition(":")[0] not in LOOPBACK


def new_passwords() -> Passwords:
    """Return passwords that are made when they are first asked for, and kept in memory."""
    return cache(lambda server, login: _new_password())


def passwords_in(directory: Path) -> Passwords:
    """Return passwords that are made when they are first asked for, and kept in files as DIRECTORY/SERVER/LOGIN."""

    def password(server: str, login: str) -> str:
        file = directory / server / login
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, _new_password(), 0o400)
        return file.read_text(encoding="utf-8")

    return password


def write_private(file: Path, text: str, mode: int) -> None:
    """Have the file complete from its first moment, and never readable to more users than `mode` allows."""
    draft = file.with_name(f".{file.name}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as to:
        to.write(text)
    draft.chmod(mode)
    draft.replace(file)


def make_all(password: Passwords) -> None:
    """Have a password for each role that `session-store roles` creates, and for each user of the broker."""
    for role in LOGINS:
        password("postgres", role)
    for user in USERS:
        password("rabbitmq", user.name)


def _new_password() -> str:
    """Return a password of hexadecimal digits: it needs no quoting anywhere."""
    return secrets.token_hex(PASSWORD_BYTES)


def urls_of(servers: Servers) -> dict[str, dict[str, str]]:
    """Return the URLs that each folder holds, by the name of their file."""
    database = servers.database_url(WORKER)
    return {
        "worker": {"DATABASE_URL": database, "AMQP_URL": servers.amqp_url(WORKER_USER)},
        "answers": {"DATABASE_URL": database, "AMQP_URL": servers.amqp_url(WORKER_USER, RPC_VHOST)},
        "prepare": {"DATABASE_URL": servers.database_url(MIGRATOR), "AMQP_URL": servers.amqp_url(ADMIN)},
        "nightly": {
            "JANITOR_DATABASE_URL": servers.database_url(JANITOR),
            "OWNER_DATABASE_URL": servers.database_url(MIGRATOR),
        },
        "engine": {"AMQP_URL": servers.amqp_url(ENGINE)},
        "caller": {"AMQP_URL": servers.amqp_url(CALLER, RPC_VHOST)},
    }


def write_urls(directory: Path, servers: Servers) -> None:
    """Have the URLs in their folders, which their owner alone can read."""
    for folder, urls in urls_of(servers).items():
        (directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, url in urls.items():
            write_private(directory / folder / name, url, FILE_MODE)


def main(words: list[str]) -> int:
    """Make the missing passwords and write the URLs, or print the logins of a server; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.logins")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--postgres", metavar="HOST:PORT/DATABASE")
    parser.add_argument("--rabbitmq", metavar="HOST:PORT")
    parser.add_argument("--authority", metavar="FILE", default=AUTHORITY, help="of the servers' certificates")
    parser.add_argument("--show", choices=("postgres", "rabbitmq"), help="print its logins and passwords")
    given = parser.parse_args(words)
    if bool(given.postgres) != bool(given.rabbitmq):
        parser.error("the URLs need both servers: --postgres and --rabbitmq")
    password = passwords_in(given.directory)
    if given.show:
        for file in sorted((given.directory / given.show).iterdir()):
            print(file.name, file.read_text(encoding="utf-8"))
        return 0
    make_all(password)
    if given.postgres:
        write_urls(given.directory, Servers(given.postgres, given.rabbitmq, password, given.authority))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
