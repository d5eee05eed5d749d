"""Prints every secret of the overlay `operators`, with new passwords, for Kubernetes.

    python -m deploy.kubernetes.secrets | kubectl create --namespace session-store --filename -

`create` refuses a secret that exists, so it never replaces a password that a server knows.
"""

import sys
from typing import Final

import yaml

from contracts.access import ADMIN, CALLER, ENGINE, MONITOR, RPC_VHOST, USERS
from contracts.access import WORKER as WORKER_USER
from deploy.kubernetes.generate import secret_of
from deploy.logins import SUPERUSER, Servers, new_passwords
from sql.logins import JANITOR, LOGINS, MIGRATOR, WORKER

POSTGRES: Final = "session-store-postgres-rw:5432/sessions"
RABBITMQ: Final = "session-store-rabbitmq:5672"
FOR_TOPOLOGY_OPERATOR: Final = {"rabbitmq.com/topology-operator": "true"}  # it sees no other secret
BASIC: Final = "kubernetes.io/basic-auth"

Fields = dict[str, object]


def secrets_of(servers: Servers) -> list[Fields]:
    """Return every secret, with the passwords of the servers."""
    database, broker, password = servers.database_url, servers.amqp_url, servers.password
    urls = {
        "session-store": {"DATABASE_URL": database(WORKER), "AMQP_URL": broker(WORKER_USER)},
        "session-store-prepare": {"DATABASE_URL": database(MIGRATOR), "AMQP_URL": broker(ADMIN)},
        "session-store-roles": {
            "DATABASE_URL": database(SUPERUSER),
            **{role: password("postgres", role) for role in LOGINS},
        },
        "session-store-janitor": {"DATABASE_URL": database(JANITOR)},
        "session-store-monitor": {"AMQP_URL": broker(MONITOR)},
        "session-store-engine": {"AMQP_URL": broker(ENGINE)},
        "session-store-caller": {"AMQP_URL": broker(CALLER, RPC_VHOST)},
    }
    return [
        *(_secret(name, keys) for name, keys in urls.items()),
        *(
            _login(f"session-store-postgres-{name}", role, password("postgres", role), BASIC, {})
            for name, role in OPERATED.items()
        ),
        *(_user(user.name, password("rabbitmq", user.name)) for user in USERS),
    ]


OPERATED: Final = {"superuser": SUPERUSER, "migrator": MIGRATOR}
"""The roles that the operator of the database creates itself."""


def _user(name: str, password: str) -> Fields:
    return _login(secret_of(name), name, password, "Opaque", FOR_TOPOLOGY_OPERATOR)


def _login(name: str, login: str, password: str, kind: str, labels: dict[str, str]) -> Fields:
    return _secret(name, {"username": login, "password": password}, kind, labels)


def _secret(
    name: str, keys: dict[str, str], kind: str = "Opaque", labels: dict[str, str] | None = None
) -> Fields:
    metadata: Fields = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": keys}


def main() -> int:
    """Print secrets with new passwords; returns 0."""
    made = secrets_of(Servers(POSTGRES, RABBITMQ, new_passwords()))
    print(yaml.safe_dump_all(made, sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
