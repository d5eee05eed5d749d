"""The server: its release, its clock, whether it takes writes and keeps them, and how many connections it has."""

from typing import Final

from worker.doctor.commands import psql
from worker.doctor.finding import Finding, error, ok, warning
from worker.store.examination.database import ExaminedDatabase
from worker.store.examination.facts import Server
from worker.store.unfit import ENCODING

MIN_VERSION: Final = 120_000
READ_ONLY: Final = "default_transaction_read_only"
MAX_SECONDS_APART: Final = 2.0
MIN_POOL_SIZE: Final = 3
SPARE_CONNECTIONS: Final = 20
SUPERUSER: Final = "a superuser"


async def check_version(database: ExaminedDatabase) -> Finding:
    """Find a server that is older than this program needs."""
    server = await database.server()
    if server.number < MIN_VERSION:
        return error(f"PostgreSQL {server.version}", "upgrade to PostgreSQL 12 or later")
    return ok(f"PostgreSQL {server.version}")


async def check_encoding(database: ExaminedDatabase) -> Finding:
    """Find a database that cannot represent every text."""
    server = await database.server()
    if server.encoding != ENCODING:
        create = f"createdb -U postgres --encoding={ENCODING} --template=template0 --locale=C NAME"
        message = f"the encoding is {server.encoding}, which cannot hold every session"
        return error(message, f"{create}  # and name it in DATABASE_URL")
    return ok(server.encoding)


async def check_writes(database: ExaminedDatabase) -> Finding:
    """Find a standby, and a server or role that is set to read only."""
    server = await database.server()
    if server.is_standby:
        return error("the server is a standby", "name the primary in DATABASE_URL")
    if server.is_read_only:
        return error("transactions are read-only", _reset(READ_ONLY, server.source, server))
    return ok("the server takes writes")


async def check_durability(database: ExaminedDatabase) -> Finding:
    """Find settings that let a crash lose an acknowledged event."""
    unsafe = await database.unsafe_settings()
    if not unsafe:
        return ok("a commit waits until it is on disk")
    names, first = ", ".join(setting.name for setting in unsafe), unsafe[0]
    fix = _reset(first.name, first.source, await database.server())
    return warning(f"off: {names}; a crash may lose acknowledged events", fix)


async def check_clock(database: ExaminedDatabase) -> Finding:
    """Find a clock of this host that differs from the database's."""
    lead = await database.clock_lead()
    if abs(lead) > MAX_SECONDS_APART:
        direction = "ahead of" if lead > 0 else "behind"
        message = f"the database's clock is {abs(lead):.0f} s {direction} this host's"
        return warning(message, "timedatectl set-ntp true  # on the host whose clock is wrong")
    return ok(f"within {MAX_SECONDS_APART:.0f} s of this host's")


async def check_connections(database: ExaminedDatabase, pool_size: int, replicas: int) -> Finding:
    """Find too few connections for the pools of `replicas` workers; 0 counts as one worker."""
    counts, workers = await database.connection_counts(), max(replicas, 1)
    needed = pool_size * workers
    message = f"{workers} x {pool_size} for workers and {counts.others} others, of {counts.maximum}"
    if needed + counts.others <= counts.maximum:
        return ok(message)
    fitting = (counts.maximum - counts.others) // workers
    more = psql(
        f"ALTER SYSTEM SET max_connections = {needed + counts.others + SPARE_CONNECTIONS}",
        run_as=f"{SUPERUSER}; then restart PostgreSQL",
    )
    fix = (
        f"SESSION_STORE_POOL_SIZE={fitting} for each worker, or {more}" if fitting >= MIN_POOL_SIZE else more
    )
    return error(message, fix) if needed > counts.maximum else warning(message, fix)


def _reset(name: str, source: str, server: Server) -> str:
    """Return the command that takes a setting back where it was made."""
    first = ("SET default_transaction_read_only = off",) if name == READ_ONLY else ()
    statement = {
        "database": f"ALTER DATABASE {server.database} RESET {name}",
        "user": f"ALTER ROLE {server.role} RESET {name}",
        "database user": f"ALTER ROLE {server.role} IN DATABASE {server.database} RESET {name}",
    }.get(source)
    if statement:
        return psql(*first, statement, run_as=SUPERUSER)
    value = "off" if name == READ_ONLY else "on"
    return psql(*first, f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()", run_as=SUPERUSER)
