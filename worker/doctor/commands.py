"""The shell commands that the doctor advises."""

import shlex
from typing import Final

from sql.logins import WORKER

MAKE_ROLES: Final = f"session-store roles  # as a superuser; then log in as {WORKER}"


def psql(*statements: str, run_as: str = "") -> str:
    """Return the command that runs these statements one by one; `run_as` names the login that it needs."""
    options = "".join(f" -c {shlex.quote(statement)}" for statement in statements)
    return f'psql "$DATABASE_URL"{options}' + (f"  # as {run_as}" if run_as else "")


def rabbitmqctl(*words: str) -> str:
    """Return the command that runs `rabbitmqctl` with these words."""
    return shlex.join(("rabbitmqctl", *words))
