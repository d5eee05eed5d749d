"""Give the database's logins their rights, and their passwords.

`sql/owner.sql` runs before there is a schema, `sql/roles.sql` once there is one, so this runs before the first
migration and after each.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from sql import script
from sql.logins import LOGINS
from worker.errors import RightsError, UnavailableError
from worker.store.migrations import connection_to, refuse_unless_ours, status_of

_ITERATIONS: Final = 4096  # PostgreSQL's own, scram-common.h
_SALT_BYTES: Final = 16


class RolesRefused(RightsError):
    """The login may not create roles."""


class RolesBlocked(UnavailableError):
    """A transaction locks a table whose owner should change; nothing was changed."""


@dataclass(frozen=True, slots=True)
class RolesGiven:
    """The logins whose password was set, and whether the schema existed, so that rights were given."""

    with_password: tuple[str, ...]
    with_rights: bool


async def give_roles(dsn: str, passwords: Mapping[str, str]) -> RolesGiven:
    """Create the roles, give them their rights where the schema is this release's, and set the passwords of `LOGINS`.

    All of it or nothing, with the `dsn` of a superuser; a repetition changes nothing and waits for no lock. A role
    that the schema creates gets its password once it exists. Raises RolesRefused, RolesBlocked, SchemaError where
    the database is ahead or altered, StorageUnavailable.
    """
    async with connection_to(dsn) as connection:
        has_schema = not refuse_unless_ours(await status_of(connection)).pending
        try:
            async with connection.transaction():
                await connection.execute(script("owner"))
                if has_schema:
                    await connection.execute(script("roles"))
                with_password = await _set_passwords(connection, passwords)
        except asyncpg.InsufficientPrivilegeError as error:
            raise RolesRefused(f"{error}; log in as a superuser to create roles") from error
        except asyncpg.LockNotAvailableError as error:
            raise RolesBlocked(
                f"{error}. {error.detail or ''} Run it again once those have ended."
            ) from error
    return RolesGiven(with_password, has_schema)


def verifier_of(password: str, salt: bytes) -> str:
    """Return PostgreSQL's verifier of a password of ASCII characters, which does not reveal it (RFC 5803)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    server = _keyed(salted, b"Server Key")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


async def _set_passwords(connection: asyncpg.Connection, passwords: Mapping[str, str]) -> tuple[str, ...]:
    """Set the passwords by their verifiers: a statement with a password could appear in the server's log."""
    there = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", list(LOGINS))
    known = tuple(name for name in LOGINS if name in passwords and name in {row["rolname"] for row in there})
    for name in known:
        verifier = verifier_of(passwords[name], secrets.token_bytes(_SALT_BYTES))
        await connection.execute(
            await connection.fetchval(
                "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", name, verifier
            )
        )
    return known


def _keyed(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
