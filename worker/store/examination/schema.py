"""What the schema is: its version, what the role may do with it, and its indexes."""

from collections.abc import Iterable
from typing import Final

import asyncpg

import sql
from worker.finding import Finding, ok, psql, warning, wrong
from worker.store.migrations import DEVELOPMENT, status_of

BLOATED_TIMES: Final = 4
BLOATED_BYTES: Final = 64 * 1024 * 1024
OWNER: Final = "the owner of the tables"
TABLES: Final = ("sessions", "session_ledger")


async def examine_rights(connection: asyncpg.Connection) -> Finding:
    """Find what a worker does and this role may not."""
    rows = await connection.fetch(sql.statement("examine_rights"))
    if not rows:
        return ok("the role may do what a worker does")
    lacking = _listed(row["lacking"] for row in rows)
    return wrong(f"the role lacks {lacking}", psql(*(row["remedy"] for row in rows), who=OWNER))


async def examine_schema(connection: asyncpg.Connection) -> Finding:
    """Find a schema that is behind this release, ahead of it, or made from other files."""
    found = await status_of(connection)
    if found.replaced:
        return wrong(
            f"the migrations of a development version: {_versions(found.replaced)} are others here",
            f"see '{DEVELOPMENT}' in sql/README.md",
        )
    if found.pending:
        return wrong(f"the database lacks migrations {_versions(found.pending)}", "session-store migrate")
    if found.altered:
        forget = psql("UPDATE session_store_migrations SET checksum = NULL")
        return wrong(
            f"migrations {_versions(found.altered)} were applied from other files than this release has",
            f"compare the releases; once the schema is right: {forget} && session-store migrate",
        )
    if found.ahead:
        return warning(
            f"a newer release applied migrations {_versions(found.ahead)}; this one runs beside it",
            "upgrade this installation to the release that applied them",
        )
    return ok(f"at migration {found.applied[-1]:04}")


async def examine_indexes(connection: asyncpg.Connection, bloated_bytes: int = BLOATED_BYTES) -> Finding:
    """Find indexes that are missing, invalid, or many times as large as they need be."""
    rows = await connection.fetch(sql.statement("examine_indexes"))
    names, definitions = {row["name"] for row in rows}, sql.index_definitions()
    keyed = {row["table_name"] for row in rows if row["is_primary"]}
    if missing := [name for name in definitions if name not in names]:
        create = "CREATE INDEX" if _is_partitioned(rows) else "CREATE INDEX CONCURRENTLY"  # not allowed there
        made = (f"{create} {name} {definitions[name]}" for name in missing)
        return wrong(f"missing: {_listed(missing)}", psql(*made, who=OWNER))
    if keyless := [table for table in TABLES if table not in keyed]:
        made = (f"ALTER TABLE {table} ADD PRIMARY KEY (session_id)" for table in keyless)
        return wrong(f"no primary key on {_listed(keyless)}", psql(*made, who=OWNER))
    if invalid := [row for row in rows if not row["is_valid"]]:
        return wrong(
            f"invalid, so unused and written all the same: {_listed(row['name'] for row in invalid)}",
            psql(*map(_renew, invalid), who=OWNER),
        )
    if bloated := [row for row in rows if _is_bloated(row, bloated_bytes)]:
        sizes = _listed(f"{row['name']} {row['bytes'] / 2**20:,.0f} MiB" for row in bloated)
        return warning(
            f"more than {BLOATED_TIMES} times as large as they need be: {sizes}",
            psql(*map(_renew, bloated), who=OWNER),
        )
    return ok(f"{len(rows)} are there and valid")


def _is_partitioned(rows: Iterable[asyncpg.Record]) -> bool:
    return any(row["is_partitioned"] for row in rows)


def _is_bloated(row: asyncpg.Record, least: int) -> bool:
    return bool(row["bytes"] > least and row["bytes"] > BLOATED_TIMES * row["expected"])


def _renew(row: asyncpg.Record) -> str:
    ours = row["name"] in sql.index_definitions() or row["is_primary"] or row["is_part"]
    verb = "REINDEX INDEX" if ours or row["is_valid"] else "DROP INDEX"
    return f'{verb} CONCURRENTLY "{row["name"]}"'


def _versions(versions: Iterable[int]) -> str:
    return _listed(f"{version:04}" for version in versions)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
