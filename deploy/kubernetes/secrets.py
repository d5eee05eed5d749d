"""Every secret of the overlay `operators`, with new passwords, as Kubernetes takes them.

    python -m deploy.kubernetes.secrets | kubectl create --namespace session-store --filename -

`create` refuses what is there, so passwords that servers were told of are never replaced unseen.
"""

import sys
from typing import Final

import yaml

from contracts.access import ADMIN, CALLER, ENGINE, EVENTS_VHOST, MONITOR, RPC_VHOST, USERS
from contracts.access import WORKER as WORKER_USER
from deploy.kubernetes.generate import secret_of
from deploy.logins import JANITOR, MIGRATOR, ROLES, SUPERUSER, WORKER, amqp_url, database_url, new_password

POSTGRES: Final = "session-store-postgres-rw:5432/sessions"
RABBITMQ: Final = "session-store-rabbitmq:5672"
FOR_TOPOLOGY_OPERATOR: Final = {"rabbitmq.com/topology-operator": "true"}  # it sees no other secret
BASIC: Final = "kubernetes.io/basic-auth"

Fields = dict[str, object]


def secrets_of(roles: dict[str, str], users: dict[str, str]) -> list[Fields]:
    """Return the secrets for these passwords by role of the database, and by user of the broker."""

    def database(role: str) -> str:
        return database_url(role, roles[role], POSTGRES)

    def broker(user: str, vhost: str = EVENTS_VHOST) -> str:
        return amqp_url(user, users[user], RABBITMQ, vhost)

    urls = {
        "session-store": {"DATABASE_URL": database(WORKER), "AMQP_URL": broker(WORKER_USER)},
        "session-store-prepare": {"DATABASE_URL": database(MIGRATOR), "AMQP_URL": broker(ADMIN)},
        "session-store-roles": {
            "DATABASE_URL": database(SUPERUSER),
            **{role: roles[role] for role in ROLES},
        },
        "session-store-janitor": {"DATABASE_URL": database(JANITOR)},
        "session-store-monitor": {"AMQP_URL": broker(MONITOR)},
        "session-store-engine": {"AMQP_URL": broker(ENGINE)},
        "session-store-caller": {"AMQP_URL": broker(CALLER, RPC_VHOST)},
    }
    return [
        *(_secret(name, keys) for name, keys in urls.items()),
        *(
            _login(f"session-store-postgres-{name}", role, roles[role], BASIC, {})
            for name, role in OPERATED.items()
        ),
        *(_login(secret_of(user), user, users[user], "Opaque", FOR_TOPOLOGY_OPERATOR) for user in users),
    ]


OPERATED: Final = {"superuser": SUPERUSER, "migrator": MIGRATOR}
"""The roles that the operator of the database makes itself."""


def _login(name: str, login: str, password: str, kind: str, labels: dict[str, str]) -> Fields:
    return _secret(name, {"username": login, "password": password}, kind, labels)


def _secret(
    name: str, keys: dict[str, str], kind: str = "Opaque", labels: dict[str, str] | None = None
) -> Fields:
    metadata: Fields = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": keys}


def main() -> int:
    """Print secrets with new passwords; returns 0."""
    made = secrets_of(
        {role: new_password() for role in (SUPERUSER, *ROLES)}, {user.name: new_password() for user in USERS}
    )
    print(yaml.safe_dump_all(made, sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
