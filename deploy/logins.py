"""What an installation logs in with: roles of the database, and URLs of both servers."""

import secrets
from typing import Final

SUPERUSER: Final = "postgres"
MIGRATOR: Final = "session_store_migrator"
WORKER: Final = "session_store_worker"
JANITOR: Final = "session_store_janitor"
READER: Final = "session_store_reader"
ROLES: Final = (MIGRATOR, WORKER, JANITOR, READER)
"""The roles that `session-store roles` gives passwords."""

PASSWORD_BYTES: Final = 24


def new_password() -> str:
    """Return a password that nobody had, of hexadecimal digits: it needs no quoting anywhere."""
    return secrets.token_hex(PASSWORD_BYTES)


def database_url(role: str, password: str, server: str) -> str:
    """Return the URL for a role; `server` is HOST:PORT/DATABASE."""
    return f"postgresql://{role}:{password}@{server}"


def amqp_url(user: str, password: str, server: str, vhost: str) -> str:
    """Return the URL of a virtual host for a user; `server` is HOST:PORT."""
    return f"amqp://{user}:{password}@{server}/{vhost}"
