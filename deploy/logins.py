"""What an installation logs in with: roles of the database, users of the broker, a password for each.

    python -m deploy.logins /etc/session-store/passwords

makes a file with a new password for each login that has none: in `postgres` for `session-store roles --passwords`, in
`rabbitmq` for `python -m deploy.rabbitmq.users`.
"""

import os
import secrets
import sys
from pathlib import Path
from typing import Final

from contracts.access import USERS

SUPERUSER: Final = "postgres"
MIGRATOR: Final = "session_store_migrator"
WORKER: Final = "session_store_worker"
JANITOR: Final = "session_store_janitor"
READER: Final = "session_store_reader"
ROLES: Final = (MIGRATOR, WORKER, JANITOR, READER)
"""The roles that `session-store roles` gives passwords."""

PASSWORD_BYTES: Final = 24
USAGE: Final = 64


def new_password() -> str:
    """Return a password that nobody had, of hexadecimal digits: it needs no quoting anywhere."""
    return secrets.token_hex(PASSWORD_BYTES)


def database_url(role: str, password: str, server: str) -> str:
    """Return the URL for a role; `server` is HOST:PORT/DATABASE."""
    return f"postgresql://{role}:{password}@{server}"


def amqp_url(user: str, password: str, server: str, vhost: str) -> str:
    """Return the URL of a virtual host for a user; `server` is HOST:PORT."""
    return f"amqp://{user}:{password}@{server}/{vhost}"


def make_passwords(directory: Path) -> None:
    """Have a password in a file for each login that has none, in `postgres` and `rabbitmq` of the directory."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = [user.name for user in USERS]
    for server, logins in (("postgres", ROLES), ("rabbitmq", users)):
        (directory / server).mkdir(mode=0o700, exist_ok=True)
        for file in (directory / server / login for login in logins):
            if not file.exists():
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as to:
                    to.write(new_password())


def main(words: list[str]) -> int:
    """Make what is missing; 64 when it is not said where."""
    if len(words) != 1:
        print("name a directory for the passwords", file=sys.stderr)
        return USAGE
    make_passwords(Path(words[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
