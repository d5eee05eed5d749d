"""What goes on in the database: old transactions, slow statements, rows that wait to be cleaned away."""

from typing import Final

import asyncpg

import sql
from worker.finding import Finding, ok, psql, skipped, warning, wrong

SLOW_MILLISECONDS: Final = 500.0
DEAD_ROWS: Final = 10_000
DEAD_PART: Final = 0.5
STATEMENTS_SINCE: Final = (13,)  # the first release whose view has these columns


async def examine_transactions(connection: asyncpg.Connection, long_after: float) -> Finding:
    """Find transactions that run or idle for longer than `long_after` seconds."""
    rows = await connection.fetch(sql.statement("examine_transactions"), long_after)
    if not rows:
        [sight] = await connection.fetch(sql.statement("examine_sight"))
        whose = "" if sight["sees_all"] else " among this role's own; GRANT pg_read_all_stats shows it all"
        return ok(f"none is older than {long_after:.0f} s{whose}")
    first, more = rows[0], len(rows) - 1
    said = (
        f"session {first['pid']} ({first['role']}, {first['application'] or 'no name'}) "
        f"{'is idle in' if first['is_idle'] else 'runs'} a transaction for {first['seconds']:.0f} s"
        f"{f', {more} more' if more else ''}; rows that others replace cannot be cleaned away"
    )
    mend = psql(
        *(f"SELECT pg_terminate_backend({row['pid']})" for row in rows), who="its role or a superuser"
    )
    waiting = sum(row["waiting"] for row in rows)
    return wrong(f"{said}, and {waiting} sessions wait for it", mend) if waiting else warning(said, mend)


async def examine_statements(
    connection: asyncpg.Connection, slower_than: float = SLOW_MILLISECONDS
) -> Finding:
    """Find statements that are slow in the mean, where pg_stat_statements keeps count."""
    [sight] = await connection.fetch(sql.statement("examine_sight"))
    if not sight["has_statements"] or connection.get_server_version() < STATEMENTS_SINCE:
        return skipped("pg_stat_statements is not installed")
    try:
        rows = await connection.fetch(sql.statement("examine_statements"), slower_than)
    except asyncpg.ObjectNotInPrerequisiteStateError:
        return skipped("pg_stat_statements is not in shared_preload_libraries")
    if not rows:
        return ok(f"none takes more than {slower_than:.0f} ms in the mean")
    slow = "; ".join(f"{r['milliseconds']:,.0f} ms x {r['calls']:,}: {r['query']}" for r in rows)
    return warning(
        slow, f"{psql('ANALYZE sessions, session_ledger')}; sql/README.md says which index serves what"
    )


async def examine_vacuum(connection: asyncpg.Connection) -> Finding:
    """Find autovacuum switched off, and tables with as many dead rows as make reading slow."""
    rows = await connection.fetch(sql.statement("examine_vacuum"))
    if not all(row["is_on"] for row in rows):
        settings = ("ALTER SYSTEM SET autovacuum = on", "ALTER SYSTEM SET track_counts = on")
        return wrong("autovacuum is off", psql(*settings, "SELECT pg_reload_conf()", who="a superuser"))
    if off := [row["table_name"] for row in rows if row["is_off_here"]]:
        resets = (f"ALTER TABLE {table} RESET (autovacuum_enabled)" for table in off)
        return wrong(f"autovacuum is off for {', '.join(off)}", psql(*resets, who="the owner of the tables"))
    for row in rows:
        if row["dead"] > DEAD_ROWS and row["dead"] > DEAD_PART * row["live"]:
            said = f"{row['table_name']} has {row['dead']:,} dead rows beside {row['live']:,}"
            vacuum = f"VACUUM (ANALYZE) {row['table_name']}"
            return warning(said, psql(vacuum, who="the owner of the tables"))
    return ok(f"autovacuum is on, {sum(row['dead'] for row in rows):,} dead rows")
