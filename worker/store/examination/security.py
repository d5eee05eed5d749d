"""Whether the database keeps this login to what a worker needs."""

from typing import Final

import asyncpg

import sql
from worker.finding import Finding, ok, psql, warning, wrong
from worker.settings.endpoint import TLS_SETTINGS

ROLES: Final = "session-store roles"
LOG_IN: Final = f"{ROLES}  # as a superuser; then log in as session_store_worker"
GUARDS: Final = (
    "psql -v ON_ERROR_STOP=1 -1 -f sql/migrations/0009_guarded_writes.sql  # as the owner of the tables; "
    "ALTER TABLE … ENABLE TRIGGER revisions_only_rise where it is switched off"
)


async def examine_role(connection: asyncpg.Connection) -> Finding:
    """Find a login that is more than a login: a superuser, an owner, a member of another role."""
    [row] = await connection.fetch(sql.statement("examine_role"))
    if row["is_mighty"]:
        return wrong("the role is a superuser, or may make roles or databases or replicate", LOG_IN)
    if row["owned"]:
        return wrong(f"the role owns {row['owned']} objects: it may change and drop them", LOG_IN)
    if row["member_of"]:
        groups = ", ".join(row["member_of"])
        mend = psql(
            *(f'REVOKE "{group}" FROM "{row["role"]}"' for group in row["member_of"]),
            who="a superuser",
        )
        return warning(f"the role is a member of {groups}, and may do what those may", mend)
    return ok("a login, and nothing else")


async def examine_excess(connection: asyncpg.Connection) -> Finding:
    """Find rights that no worker needs."""
    rows = await connection.fetch(sql.statement("examine_excess"))
    if not rows:
        return ok("no right that a worker does not need")
    excess = ", ".join(row["excess"] for row in rows)
    return wrong(
        f"more than a worker needs: {excess}", psql(*(row["remedy"] for row in rows), who="a superuser")
    )


async def examine_limits(connection: asyncpg.Connection) -> Finding:
    """Find a role whose sessions begin without limits in time."""
    [row] = await connection.fetch(sql.statement("examine_role"))
    if not row["unlimited"]:
        return ok("statements, locks and idle transactions are limited in time")
    return wrong(f"the role has no {', '.join(row['unlimited'])}", LOG_IN)


async def examine_guards(connection: asyncpg.Connection) -> Finding:
    """Find walls of the schema that are missing or switched off."""
    rows = await connection.fetch(sql.statement("examine_guards"))
    if not rows:
        return ok("a lower revision is refused, and functions keep to their owner's tables")
    return wrong("; ".join(row["missing"] for row in rows), GUARDS)


async def examine_tls(connection: asyncpg.Connection) -> Finding:
    """Find a connection that is in plain text and leaves this host."""
    [row] = await connection.fetch(sql.statement("examine_tls"))
    if row["is_encrypted"]:
        return ok(f"{row['version']} is in use")
    if row["is_local"]:
        return ok("the connection does not leave this host")
    return wrong("the connection is in plain text", TLS_SETTINGS["DATABASE_URL"])
