"""Prints the users of an installation, with the passwords of a directory, for RabbitMQ to import.

    python -m deploy.rabbitmq.users /etc/session-store/rabbitmq | deploy/rabbitmq/import.sh

The directory has a file for each user, of the same name, that holds the password. The output has salted hashes and no
password. It leaves out a user without a file, which the broker keeps as it is.
"""

import base64
import hashlib
import json
import secrets
import sys
from pathlib import Path
from typing import Final

from contracts.access import USERS, User
from deploy.rabbitmq.generate import Definitions

HASHING: Final = "rabbit_password_hashing_sha256"
SALT_BYTES: Final = 4  # https://www.rabbitmq.com/docs/passwords#computing-password-hash
USAGE: Final = 64


def users_of(directory: Path) -> Definitions:
    """Return the users that have a password in the directory."""
    return {
        "users": [
            _user(user, (directory / user.name).read_text(encoding="utf-8").rstrip("\n"))
            for user in USERS
            if (directory / user.name).is_file()
        ]
    }


def _user(user: User, password: str) -> dict[str, object]:
    if not password:
        raise ValueError(f"the file of {user.name} is empty: anybody could log in")
    return {
        "name": user.name,
        "tags": list(user.tags),
        "limits": {"max-connections": user.max_connections, "max-channels": user.max_channels},
        "hashing_algorithm": HASHING,
        "password_hash": _hash(password),
    }


def _hash(password: str) -> str:
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode()


def main(words: list[str]) -> int:
    """Print the users of a directory; 64 without a directory, or when no user has a file there."""
    users = users_of(Path(words[0])) if len(words) == 1 else {"users": []}
    if not users["users"]:
        names = ", ".join(user.name for user in USERS)
        print(f"name a directory that has a file with a password for each of {names}", file=sys.stderr)
        return USAGE
    print(json.dumps(users))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
