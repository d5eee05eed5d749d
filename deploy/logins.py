"""The logins of an installation: roles of the database and users of the broker, with a password for each.

    python -m deploy.logins /etc/session-store/passwords

makes a file with a new password for each login that has none: in `postgres` for `session-store roles --passwords`, in
`rabbitmq` for `python -m deploy.rabbitmq.users`.
"""

import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from contracts.access import EVENTS_VHOST, USERS
from sql.logins import LOGINS

SUPERUSER: Final = "postgres"
PASSWORD_BYTES: Final = 24
USAGE: Final = 64

Passwords = Callable[[str, str], str]
"""Return the password of a login; the arguments are the server, such as `postgres` or `rabbitmq`, and the login."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are, as HOST:PORT/DATABASE and HOST:PORT, and the passwords of their logins."""

    postgres: str
    rabbitmq: str
    password: Passwords

    def database_url(self, role: str) -> str:
        """Return the database's URL for a role."""
        return f"postgresql://{role}:{self.password('postgres', role)}@{self.postgres}"

    def amqp_url(self, user: str, vhost: str = EVENTS_VHOST) -> str:
        """Return the URL of a virtual host for a user."""
        return f"amqp://{user}:{self.password('rabbitmq', user)}@{self.rabbitmq}/{vhost}"


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


def main(words: list[str]) -> int:
    """Make the missing passwords; 64 without a directory."""
    if len(words) != 1:
        print("name a directory for the passwords", file=sys.stderr)
        return USAGE
    make_all(passwords_in(Path(words[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
