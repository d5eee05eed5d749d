"""Whether SESSION_STORE_READ_DATABASE_URL names a replica that keeps up."""

from typing import Final

from worker.doctor.finding import Finding, error, ok, warning
from worker.doctor.settings import check_transport
from worker.errors import StorageUnavailable
from worker.settings.postgres.address import read_database_address
from worker.store.examination.database import ExaminedDatabase
from worker.store.examination.login import log_in

VARIABLE: Final = "SESSION_STORE_READ_DATABASE_URL"
MAX_SECONDS_BEHIND: Final = 10.0


async def check_replica_url(url: str) -> Finding:
    """Find parameters and files that cannot be used, and a replica that gets sessions without TLS."""
    try:
        address = read_database_address(url)
        address.tls.context()
    except ValueError as fault:
        return error(str(fault), f"correct {VARIABLE}")
    return check_transport(address.destination, VARIABLE, address.notices)


async def check_replica(url: str, timeout: float) -> Finding:
    """Find a replica that is away, is a primary, lacks the schema or is far behind; workers continue without it."""
    try:
        replica = await log_in(url, timeout)
    except StorageUnavailable as failure:
        return warning(
            f"the primary serves every read: {failure}", f"start the replica, or correct {VARIABLE}"
        )
    try:
        return await _check(replica)
    finally:
        await replica.close()


async def _check(replica: ExaminedDatabase) -> Finding:
    replication = await replica.replication()
    if not replication.is_standby:
        return warning("the server is a primary", f"name a streaming replica in {VARIABLE}")
    if (await replica.migrations()).pending:
        return warning(
            "it lacks migrations that the primary has", f"name a replica of that primary in {VARIABLE}"
        )
    if replication.lag_seconds > MAX_SECONDS_BEHIND:
        return warning(
            f"its replay is {replication.lag_seconds:.0f} s behind",
            "look for pg_wal_replay_pause(), long queries there, and its disk",
        )
    return ok(f"it replays, {replication.lag_seconds:.1f} s behind")
