"""The logins of the stack: a password for each, made once, and for each service what it logs in with.

    python -m deploy.compose.logins /logins --postgres postgres:5432/sessions --rabbitmq rabbitmq:5672
    python -m deploy.compose.logins /logins --postgres ... --rabbitmq ... --show

The directory has one for each service, which the service sees alone, and `passwords`, which none sees. Passwords that
are there stay, so what servers were told before holds. `--show` prints what people and engines log in with.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.access import ADMIN, CALLER, ENGINE, EVENTS_VHOST, RPC_VHOST, USERS
from contracts.access import WORKER as WORKER_USER
from contracts.topology import Topology
from deploy.logins import (
    JANITOR,
    MIGRATOR,
    READER,
    ROLES,
    SUPERUSER,
    WORKER,
    amqp_url,
    database_url,
    new_password,
)
from deploy.rabbitmq.installation import installation
from deploy.rabbitmq.users import users_of

PROGRAM_GROUP: Final = 10001  # as the Dockerfile has it
ROOT_GROUP: Final = 0

Contents = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the servers are, as services reach them, and everybody's password."""

    postgres: str
    rabbitmq: str
    passwords: Path

    def password(self, kind: str, login: str) -> str:
        """Return a login's password, made now if it has none; `kind` is the server that knows it."""
        file = self.passwords / kind / login
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(file, new_password(), 0o400)
        return file.read_text(encoding="utf-8")

    def database_url(self, role: str) -> str:
        """Return the URL of the database for a role."""
        return database_url(role, self.password("postgres", role), self.postgres)

    def amqp_url(self, user: str, vhost: str) -> str:
        """Return the URL of a virtual host for a user."""
        return amqp_url(user, self.password("rabbitmq", user), self.rabbitmq, vhost)


def files_of(stack: Stack) -> dict[str, Contents]:
    """Return for each service the files that it logs in with, or by which its server knows the others."""
    worker = {"DATABASE_URL": stack.database_url(WORKER)}
    return {
        "postgres": {"password": stack.password("postgres", SUPERUSER)},
        "rabbitmq": {"definitions.json": _definitions(stack)},
        "grafana": {"password": stack.password("grafana", "admin")},
        "roles": {"DATABASE_URL": stack.database_url(SUPERUSER)},
        "roles/passwords": {role: stack.password("postgres", role) for role in ROLES},
        "migrate": {"DATABASE_URL": stack.database_url(MIGRATOR)},
        "topology": {"AMQP_URL": stack.amqp_url(ADMIN, EVENTS_VHOST)},
        "worker": {**worker, "AMQP_URL": stack.amqp_url(WORKER_USER, EVENTS_VHOST)},
        "answers": {**worker, "AMQP_URL": stack.amqp_url(WORKER_USER, RPC_VHOST)},
    }


def shown(stack: Stack) -> dict[str, str]:
    """Return what people and engines log in with."""
    return {
        "engines": stack.amqp_url(ENGINE, EVENTS_VHOST),
        "callers": stack.amqp_url(CALLER, RPC_VHOST),
        "dead letters": stack.amqp_url(ADMIN, EVENTS_VHOST),
        "reports": stack.database_url(READER),
        "retain, erase": stack.database_url(JANITOR),
        "partitions": stack.database_url(MIGRATOR),
        "superuser": stack.database_url(SUPERUSER),
        "Grafana": f"admin, {stack.password('grafana', 'admin')}",
    }


def write_files(directory: Path, services: Mapping[str, Contents]) -> None:
    """Have each service's directory hold its files, which nobody else may read; RabbitMQ's holds hashes alone."""
    for service, contents in services.items():
        group = ROOT_GROUP if service in ("postgres", "grafana") else PROGRAM_GROUP
        is_public = service == "rabbitmq"
        place = directory / service
        place.mkdir(exist_ok=True)
        for name, text in contents.items():
            _write(place / name, text, 0o444 if is_public else 0o440)
            _give(place / name, group)
        place.chmod(0o755 if is_public else 0o750)
        _give(place, group)


def _definitions(stack: Stack) -> str:
    for user in USERS:
        stack.password("rabbitmq", user.name)
    return json.dumps({**users_of(stack.passwords / "rabbitmq"), **installation(Topology())})


def _write(file: Path, text: str, mode: int) -> None:
    """Have the file there whole, and never readable to more than `mode` says."""
    beginning = file.with_name(f".{file.name}")
    beginning.unlink(missing_ok=True)
    with os.fdopen(
        os.open(beginning, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as to:
        to.write(text)
    beginning.chmod(mode)
    beginning.replace(file)


def _give(path: Path, group: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, 0, group)


def main(words: list[str]) -> int:
    """Make what is missing, or show what people need; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compose.logins")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--postgres", required=True, help="HOST:PORT/DATABASE")
    parser.add_argument("--rabbitmq", required=True, help="HOST:PORT")
    parser.add_argument("--show", action="store_true", help="print what people and engines log in with")
    given = parser.parse_args(words)
    stack = Stack(given.postgres, given.rabbitmq, given.directory / "passwords")
    if given.show:
        for name, login in shown(stack).items():
            print(f"{name:13}  {login}")
    else:
        write_files(given.directory, files_of(stack))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
