"""What the server is: its release, whether it takes writes, keeps what it commits, and tells the time."""

from datetime import UTC, datetime
from typing import Final

import asyncpg

import sql
from worker.finding import Finding, ok, psql, warning, wrong

OLDEST: Final = 120_000
READ_ONLY: Final = "default_transaction_read_only"
MOST_SECONDS_APART: Final = 2.0


async def examine_version(connection: asyncpg.Connection) -> Finding:
    """Find a server that is older than this program needs."""
    [row] = await connection.fetch(sql.statement("examine_server"))
    if row["number"] < OLDEST:
        return wrong(f"PostgreSQL {row['version']}", "upgrade to PostgreSQL 12 or later")
    return ok(f"PostgreSQL {row['version']}")


async def examine_writes(connection: asyncpg.Connection) -> Finding:
    """Find a standby, and a server or role that is set to read only."""
    [row] = await connection.fetch(sql.statement("examine_server"))
    if row["is_standby"]:
        return wrong("the server is a standby", "name the primary in DATABASE_URL")
    if row["is_read_only"]:
        return wrong(
            "transactions are read-only",
            await _undo(connection, READ_ONLY, row["source"]),
        )
    return ok("it takes writes")


async def examine_durability(connection: asyncpg.Connection) -> Finding:
    """Find settings under which an acknowledged event can be lost."""
    rows = await connection.fetch(sql.statement("examine_durability"))
    if not rows:
        return ok("what is committed is on disk")
    names = ", ".join(row["name"] for row in rows)
    first = rows[0]
    mend = await _undo(connection, first["name"], first["source"])
    return warning(f"off: {names}; a crash may lose what was acknowledged", mend)


async def examine_clock(connection: asyncpg.Connection) -> Finding:
    """Find a clock here that is not the database's."""
    before = datetime.now(UTC)
    [row] = await connection.fetch(sql.statement("examine_server"))
    after = datetime.now(UTC)
    apart = (row["clock"] - before).total_seconds() - (after - before).total_seconds() / 2
    if abs(apart) > MOST_SECONDS_APART:
        said = (
            f"the database's clock is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'} of this host's"
        )
        return warning(said, "timedatectl set-ntp true  # on the host whose clock is wrong")
    return ok(f"within {MOST_SECONDS_APART:.0f} s of this host's")


async def examine_connections(connection: asyncpg.Connection, pool_size: int, replicas: int) -> Finding:
    """Find too few connections for the pools of `replicas` workers; none is taken for one."""
    [row] = await connection.fetch(sql.statement("examine_connections"))
    most, others, count = row["most"], row["others"], max(replicas, 1)
    needed = pool_size * count
    said = f"{count} x {pool_size} for workers and {others} of others, of {most}"
    if needed + others <= most:
        return ok(said)
    fitting = (most - others) // count
    more = psql(
        f"ALTER SYSTEM SET max_connections = {needed + others + 20}",
        who="a superuser; then restart PostgreSQL",
    )
    mend = f"SESSION_STORE_POOL_SIZE={fitting} for each worker, or {more}" if fitting >= 3 else more
    return wrong(said, mend) if needed > most else warning(said, mend)


async def _undo(connection: asyncpg.Connection, name: str, source: str) -> str:
    """Return the command that takes back a setting where it was made."""
    [(role, database)] = await connection.fetch(
        "SELECT quote_ident(current_user), quote_ident(current_database())"
    )
    first = ("SET default_transaction_read_only = off",) if name == READ_ONLY else ()
    statement = {
        "database": f"ALTER DATABASE {database} RESET {name}",
        "user": f"ALTER ROLE {role} RESET {name}",
        "database user": f"ALTER ROLE {role} IN DATABASE {database} RESET {name}",
    }.get(source)
    if statement:
        return psql(*first, statement, who="a superuser")
    value = "off" if name == READ_ONLY else "on"
    statement = f"ALTER SYSTEM SET {name} = {value}"
    return psql(*first, statement, "SELECT pg_reload_conf()", who="a superuser")
