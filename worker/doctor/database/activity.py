"""The activity of the database: old transactions, slow statements, dead rows."""

from typing import Final

from worker.doctor.commands import psql
from worker.doctor.finding import Finding, error, ok, skipped, warning
from worker.store.examination.database import ExaminedDatabase
from worker.store.examination.facts import NoStatistics

SLOW_MILLISECONDS: Final = 500.0
MAX_DEAD_ROWS: Final = 10_000
MAX_DEAD_PART: Final = 0.5
OWNER: Final = "the owner of the tables"


async def check_transactions(database: ExaminedDatabase, long_after: float) -> Finding:
    """Find transactions that run or idle for longer than `long_after` seconds."""
    old = await database.transactions(long_after)
    if not old:
        sees_all = (await database.visibility()).sees_all
        scope = "" if sees_all else " among this role's own; GRANT pg_read_all_stats shows those of others"
        return ok(f"none is older than {long_after:.0f} s{scope}")
    first, more = old[0], len(old) - 1
    message = (
        f"session {first.pid} ({first.role}, {first.application or 'no name'}) "
        f"{'is idle in' if first.is_idle else 'runs'} a transaction for {first.seconds:.0f} s"
        f"{f', {more} more' if more else ''}; replaced rows cannot be cleaned up meanwhile"
    )
    fix = psql(
        *(f"SELECT pg_terminate_backend({each.pid})" for each in old), run_as="its role or a superuser"
    )
    waiting = sum(each.waiting for each in old)
    return error(f"{message}, and {waiting} sessions wait for it", fix) if waiting else warning(message, fix)


async def check_statements(database: ExaminedDatabase, slower_than: float = SLOW_MILLISECONDS) -> Finding:
    """Find statements that are slow in the mean, where pg_stat_statements counts them."""
    slow = await database.slow_statements(slower_than)
    if isinstance(slow, NoStatistics):
        return skipped(slow)
    if not slow:
        return ok(f"none takes more than {slower_than:.0f} ms in the mean")
    listed = "; ".join(f"{each.milliseconds:,.0f} ms x {each.calls:,}: {each.query}" for each in slow)
    analyze = psql("ANALYZE sessions, session_ledger")
    return warning(listed, f"{analyze}; sql/README.md says which index serves which query")


async def check_vacuum(database: ExaminedDatabase) -> Finding:
    """Find autovacuum switched off, and tables with so many dead rows that reads are slow."""
    tables = await database.vacuum()
    if not all(table.is_on for table in tables):
        settings = ("ALTER SYSTEM SET autovacuum = on", "ALTER SYSTEM SET track_counts = on")
        return error("autovacuum is off", psql(*settings, "SELECT pg_reload_conf()", run_as="a superuser"))
    if off := [table.table_name for table in tables if table.is_off_here]:
        resets = (f"ALTER TABLE {name} RESET (autovacuum_enabled)" for name in off)
        return error(f"autovacuum is off for {', '.join(off)}", psql(*resets, run_as=OWNER))
    for table in tables:
        if table.dead > MAX_DEAD_ROWS and table.dead > MAX_DEAD_PART * table.live:
            message = f"{table.table_name} has {table.dead:,} dead rows and {table.live:,} live ones"
            return warning(message, psql(f"VACUUM (ANALYZE) {table.table_name}", run_as=OWNER))
    return ok(f"autovacuum is on, {sum(table.dead for table in tables):,} dead rows")
