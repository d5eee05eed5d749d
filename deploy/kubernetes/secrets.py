"""Prints the secrets of an installation for Kubernetes.

    python -m deploy.kubernetes.secrets | kubectl create --namespace session-store --filename -

prints those of the overlay `operators`, with new passwords. `create` refuses a secret that exists, so it never
replaces a password that a server knows. For servers of your own, and the base:

    python -m deploy.kubernetes.secrets --passwords DIRECTORY --postgres HOST:PORT/DATABASE --rabbitmq HOST:PORT \\
        --superuser-password FILE | kubectl apply --server-side --namespace session-store --filename -

takes the passwords in DIRECTORY, and makes those that are missing, as `python -m deploy.logins` does. FILE holds the
password of the database's superuser. Run again it prints the same, or the passwords that were changed meanwhile.

Programs in other namespaces get these URLs too, KEDA among them, so a host is a service's name with its namespace.
Every URL asks for TLS, and names the authority's certificate where pods see the secret `session-store-certificates`.
"""

import argparse
import sys
from base64 import b64encode
from pathlib import Path
from typing import Final
from urllib.parse import quote

import yaml

from contracts.access import ADMIN, CALLER, ENGINE, EVENTS_VHOST, MONITOR, RPC_VHOST, USERS
from contracts.access import WORKER as WORKER_USER
from deploy.kubernetes.generate import secret_of
from deploy.logins import SUPERUSER, Passwords, Servers, new_passwords, passwords_in
from sql.logins import JANITOR, LOGINS, MIGRATOR, WORKER

POSTGRES: Final = "session-store-postgres-rw.session-store.svc:5432/sessions"
RABBITMQ: Final = "session-store-rabbitmq.session-store.svc:5671"
AUTHORITY: Final = "/run/certificates/ca.crt"
"""Where the pods see the certificate of the servers' authority."""
FOR_TOPOLOGY_OPERATOR: Final = {"rabbitmq.com/topology-operator": "true"}  # it sees no other secret
BASIC: Final = "kubernetes.io/basic-auth"
OPERATED: Final = {"superuser": SUPERUSER, "migrator": MIGRATOR}
"""The roles that the operator of the database creates itself."""

Fields = dict[str, object]


def secrets_of(servers: Servers, superuser: str = SUPERUSER) -> list[Fields]:
    """Return the secrets that pods and people read, with the passwords of the servers."""
    urls = {
        "session-store": {
            "DATABASE_URL": _database(servers, WORKER),
            "AMQP_URL": _broker(servers, WORKER_USER),
        },
        "session-store-prepare": {
            "DATABASE_URL": _database(servers, MIGRATOR),
            "AMQP_URL": _broker(servers, ADMIN),
        },
        "session-store-roles": {
            "DATABASE_URL": _database(servers, superuser),
            **{role: servers.password("postgres", role) for role in LOGINS},
        },
        "session-store-janitor": {"DATABASE_URL": _database(servers, JANITOR)},
        "session-store-monitor": {"AMQP_URL": _broker(servers, MONITOR), "tls": "enable"},  # KEDA's words
        "session-store-engine": {"AMQP_URL": _broker(servers, ENGINE)},
        "session-store-caller": {"AMQP_URL": _broker(servers, CALLER, RPC_VHOST)},
    }
    return [_secret(name, keys) for name, keys in urls.items()]


def secrets_of_operators(password: Passwords) -> list[Fields]:
    """Return the secrets by which the operators learn the passwords of the logins that they create."""
    return [
        *(
            _login(f"session-store-postgres-{name}", role, password("postgres", role), BASIC, {})
            for name, role in OPERATED.items()
        ),
        *(_user(user.name, password("rabbitmq", user.name)) for user in USERS),
    ]


def with_superuser(password: Passwords, superuser: str, its_password: str) -> Passwords:
    """Return the passwords with that of the database's superuser, quoted for a URL."""

    def found(server: str, login: str) -> str:
        return (
            quote(its_password, safe="")
            if (server, login) == ("postgres", superuser)
            else password(server, login)
        )

    return found


def _database(servers: Servers, role: str) -> str:
    return f"{servers.database_url(role)}?sslmode=verify-full&sslrootcert={AUTHORITY}"


def _broker(servers: Servers, user: str, vhost: str = EVENTS_VHOST) -> str:
    return f"amqps{servers.amqp_url(user, vhost).removeprefix('amqp')}?cafile={AUTHORITY}"


def _user(name: str, password: str) -> Fields:
    return _login(secret_of(name), name, password, "Opaque", FOR_TOPOLOGY_OPERATOR)


def _login(name: str, login: str, password: str, kind: str, labels: dict[str, str]) -> Fields:
    return _secret(name, {"username": login, "password": password}, kind, labels)


def _secret(
    name: str, keys: dict[str, str], kind: str = "Opaque", labels: dict[str, str] | None = None
) -> Fields:
    """Return a secret. Its texts are encoded: `stringData` does not go with server-side apply."""
    metadata: Fields = {"name": name, **({"labels": labels} if labels else {})}
    data = {key: b64encode(text.encode()).decode() for key, text in keys.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def main(words: list[str]) -> int:
    """Print secrets, with new passwords or with those of a directory; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kubernetes.secrets")
    parser.add_argument("--passwords", metavar="DIRECTORY", type=Path)
    parser.add_argument("--postgres", metavar="HOST:PORT/DATABASE")
    parser.add_argument("--rabbitmq", metavar="HOST:PORT")
    parser.add_argument("--superuser-password", metavar="FILE", type=Path)
    parser.add_argument("--superuser", metavar="NAME", default=SUPERUSER)
    given = parser.parse_args(words)
    own = (given.passwords, given.postgres, given.rabbitmq, given.superuser_password)
    if not any(own):
        servers = Servers(POSTGRES, RABBITMQ, new_passwords())
        made = [*secrets_of(servers), *secrets_of_operators(servers.password)]
    elif all(own):
        its_password = given.superuser_password.read_text(encoding="utf-8").rstrip("\r\n")
        password = with_superuser(passwords_in(given.passwords), given.superuser, its_password)
        made = secrets_of(Servers(given.postgres, given.rabbitmq, password), given.superuser)
    else:
        parser.error(
            "servers of your own need all of --passwords, --postgres, --rabbitmq and --superuser-password"
        )
    print(yaml.safe_dump_all(made, sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
