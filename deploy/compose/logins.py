"""The logins of the stack: for each service the files that it logs in with.

    python -m deploy.compose.logins /logins --postgres postgres:5432/sessions --rabbitmq rabbitmq:5672
    python -m deploy.compose.logins /logins --postgres ... --rabbitmq ... --show

The directory has a folder for each service, which no other service sees, and `passwords`, which no service sees. A
password is made once, so servers keep accepting it. `--show` prints the logins of people and engines.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.access import ADMIN, CALLER, ENGINE, RPC_VHOST
from contracts.access import WORKER as WORKER_USER
from contracts.topology import Topology
from deploy.logins import SUPERUSER, Servers, make_all, passwords_in, write_private
from deploy.rabbitmq.installation import installation
from deploy.rabbitmq.users import users_of
from sql.logins import JANITOR, LOGINS, MIGRATOR, READER, WORKER

PROGRAM_GROUP: Final = 10001  # as the Dockerfile has it
ROOT_GROUP: Final = 0

Contents = Mapping[str, str]


def files_of(servers: Servers, definitions: str) -> dict[str, Contents]:
    """Return for each service the files that it logs in with, or by which its server knows the other logins."""
    worker = {"DATABASE_URL": servers.database_url(WORKER)}
    return {
        "postgres": {"password": servers.password("postgres", SUPERUSER)},
        "rabbitmq": {"definitions.json": definitions},
        "grafana": {"password": servers.password("grafana", "admin")},
        "roles": {"DATABASE_URL": servers.database_url(SUPERUSER)},
        "roles/passwords": {role: servers.password("postgres", role) for role in LOGINS},
        "migrate": {"DATABASE_URL": servers.database_url(MIGRATOR)},
        "topology": {"AMQP_URL": servers.amqp_url(ADMIN)},
        "worker": {**worker, "AMQP_URL": servers.amqp_url(WORKER_USER)},
        "answers": {**worker, "AMQP_URL": servers.amqp_url(WORKER_USER, RPC_VHOST)},
    }


def shown(servers: Servers) -> dict[str, str]:
    """Return the logins of people and engines."""
    return {
        "engines": servers.amqp_url(ENGINE),
        "callers": servers.amqp_url(CALLER, RPC_VHOST),
        "dead letters": servers.amqp_url(ADMIN),
        "reports": servers.database_url(READER),
        "retain, erase": servers.database_url(JANITOR),
        "partitions": servers.database_url(MIGRATOR),
        "superuser": servers.database_url(SUPERUSER),
        "Grafana": f"admin, {servers.password('grafana', 'admin')}",
    }


def write_files(directory: Path, services: Mapping[str, Contents]) -> None:
    """Have the files in each service's directory, where no other may read them; RabbitMQ's file holds only hashes."""
    for service, contents in services.items():
        group = ROOT_GROUP if service in ("postgres", "grafana") else PROGRAM_GROUP
        is_public = service == "rabbitmq"
        place = directory / service
        place.mkdir(exist_ok=True)
        for name, text in contents.items():
            write_private(place / name, text, 0o444 if is_public else 0o440)
            _give(place / name, group)
        place.chmod(0o755 if is_public else 0o750)
        _give(place, group)


def definitions_of(passwords: Path) -> str:
    """Return the definitions for the broker: the users with the passwords of the directory, and the installation."""
    return json.dumps({**users_of(passwords / "rabbitmq"), **installation(Topology())})


def _give(path: Path, group: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, 0, group)


def main(words: list[str]) -> int:
    """Make the missing files, or print the logins of people; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compose.logins")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--postgres", required=True, help="HOST:PORT/DATABASE")
    parser.add_argument("--rabbitmq", required=True, help="HOST:PORT")
    parser.add_argument("--show", action="store_true", help="print the logins of people and engines")
    given = parser.parse_args(words)
    passwords = given.directory / "passwords"
    servers = Servers(given.postgres, given.rabbitmq, passwords_in(passwords))
    if given.show:
        for name, login in shown(servers).items():
            print(f"{name:13}  {login}")
    else:
        make_all(servers.password)
        write_files(given.directory, files_of(servers, definitions_of(passwords)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
