"""Whether sessions have revisions that no engine's clock reaches: nothing could write to them any more."""

from time import time
from typing import Final

from worker.doctor.commands import psql
from worker.doctor.finding import Finding, error, ok, skipped
from worker.errors import StorageUnavailable
from worker.store.examination.database import ExaminedDatabase
from worker.store.failures import TIMEOUTS

SHOWN: Final = 3
RUN_AS: Final = "a superuser; then restart the engines, which remember the revision"


async def check_revisions(database: ExaminedDatabase, lead_seconds: float) -> Finding:
    """Find sessions whose revision is further ahead of the clock than an event's may be."""
    if lead_seconds == 0:
        return ok("SESSION_STORE_REVISION_LEAD_S is 0: any revision is accepted")
    now = int(time() * 1_000_000)
    try:
        ahead = await database.sessions_beyond(now + int(lead_seconds * 1_000_000))
    except StorageUnavailable as unavailable:
        if unavailable.reason not in TIMEOUTS:
            raise
        return skipped("the ledger is too large to be read in this time: --timeout 600")
    if not ahead:
        return ok(f"none is more than {lead_seconds:g} s ahead of the clock")
    names = ", ".join(entry.session_id for entry in ahead[:SHOWN]) + (
        " and more" if len(ahead) > SHOWN else ""
    )
    return error(
        f"no event changes {names}: the revision is more than {lead_seconds:g} s ahead of the clock",
        _lower(now),
    )


def _lower(revision: int) -> str:
    """Return the command that gives such sessions a revision of now; one statement list is one transaction."""
    lower = f"SET revision = {revision} WHERE revision > {revision}"
    updates = f"UPDATE session_ledger {lower}; UPDATE sessions {lower}"
    return psql(f"SET session_replication_role = replica; {updates}", run_as=RUN_AS)
