"""The schema: its migrations, this role's rights, its indexes and partitions."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import sql
from worker.doctor.commands import psql
from worker.doctor.finding import Finding, error, ok, warning
from worker.store.examination.database import ExaminedDatabase
from worker.store.examination.facts import Compression, Index
from worker.store.layout import CONVERTING, PLAIN
from worker.store.migrations import DEVELOPMENT

BLOATED_TIMES: Final = 4
BLOATED_BYTES: Final = 64 * 1024 * 1024
OWNER: Final = "the owner of the tables"
TABLES: Final = ("sessions", "session_ledger")
SOON: Final = timedelta(days=2)


async def check_rights(database: ExaminedDatabase) -> Finding:
    """Find rights that a worker needs and this role does not have."""
    missing = await database.missing_rights()
    if not missing:
        return ok("the role has every right that a worker needs")
    names = ", ".join(right.name for right in missing)
    return error(f"the role lacks {names}", psql(*(right.statement for right in missing), run_as=OWNER))


async def check_schema(database: ExaminedDatabase) -> Finding:
    """Find a schema that is behind this release, ahead of it, made from other files, or renamed."""
    if moved := await database.moved_functions():
        names = ", ".join(function.name for function in moved)
        return error(
            f"the schema was renamed or copied: {names} look for tables where they were",
            psql(*(function.statement for function in moved), run_as=OWNER),
        )
    found = await database.migrations()
    if found.replaced:
        return error(
            f"the database has other migrations as {_versions(found.replaced)}: those of a development version",
            f"see '{DEVELOPMENT}' in sql/README.md",
        )
    if found.pending:
        return error(f"the database lacks migrations {_versions(found.pending)}", "session-store migrate")
    if found.altered:
        forget = psql("UPDATE session_store_migrations SET checksum = NULL")
        return error(
            f"migrations {_versions(found.altered)} were applied from other files than this release has",
            f"compare the releases; once the schema is right: {forget} && session-store migrate",
        )
    if found.ahead:
        return warning(
            f"a newer release applied migrations {_versions(found.ahead)}; this one runs beside it",
            "upgrade this installation to the release that applied them",
        )
    return ok(f"at migration {found.applied[-1]:04}")


async def check_indexes(database: ExaminedDatabase, bloated_bytes: int = BLOATED_BYTES) -> Finding:
    """Find indexes that are missing, invalid, or many times as large as they need be."""
    indexes = await database.indexes()
    return (
        _find_missing(indexes)
        or _find_bad(indexes, bloated_bytes)
        or ok(f"{len(indexes)} exist and are valid")
    )


async def check_partitions(database: ExaminedDatabase) -> Finding:
    """Find a conversion that did not finish, and partitions that end before new ones are made."""
    layout = await database.layout()
    if layout.kind == PLAIN:
        return ok("the sessions are in one table")
    if layout.kind == CONVERTING:
        return warning(
            "the sessions are being partitioned, or a conversion was interrupted",
            "session-store partition convert",
        )
    newest = max((partition.ends for partition in layout.partitions if partition.ends), default=None)
    if newest is None or newest < datetime.now(UTC) + SOON:
        message = f"partitions end at {newest:%Y-%m-%d}" if newest else "there are no partitions"
        return warning(
            f"{message}; later sessions go to the default partition", "session-store partition maintain"
        )
    return ok(f"{len(layout.partitions)} partitions, up to {newest:%Y-%m-%d}")


async def check_compression(database: ExaminedDatabase) -> Finding:
    """Find columns of JSON that are compressed by pglz, which takes twice the processor time for large sessions."""
    tables = await database.compression()
    if not tables:
        return ok("left to Citus")
    if not all(table.has_lz4 for table in tables):
        return ok("pglz: lz4 needs PostgreSQL 14 or later that was built with it")
    if others := [table for table in tables if table.others]:
        names = ", ".join(f"{table.table_name} ({', '.join(table.others)})" for table in others)
        return warning(f"not by lz4: {names}", psql(*map(_use_lz4, others), run_as=OWNER))
    return ok("lz4")


def _use_lz4(table: Compression) -> str:
    changes = ", ".join(f"ALTER COLUMN {name} SET COMPRESSION lz4" for name in table.others)
    return f'ALTER TABLE ONLY "{table.table_name}" {changes}'


def _find_missing(indexes: Sequence[Index]) -> Finding | None:
    definitions, names = sql.index_definitions(), {index.name for index in indexes}
    if missing := [name for name in definitions if name not in names]:
        is_partitioned = any(index.is_partitioned for index in indexes)  # where CONCURRENTLY is not allowed
        create = "CREATE INDEX" if is_partitioned else "CREATE INDEX CONCURRENTLY"
        statements = (f"{create} {name} {definitions[name]}" for name in missing)
        return error(f"missing: {', '.join(missing)}", psql(*statements, run_as=OWNER))
    keyed = {index.table_name for index in indexes if index.is_primary}
    if keyless := [table for table in TABLES if table not in keyed]:
        statements = (f"ALTER TABLE {table} ADD PRIMARY KEY (session_id)" for table in keyless)
        return error(f"no primary key on {', '.join(keyless)}", psql(*statements, run_as=OWNER))
    return None


def _find_bad(indexes: Sequence[Index], bloated_bytes: int) -> Finding | None:
    if invalid := [index for index in indexes if not index.is_valid]:
        names = ", ".join(index.name for index in invalid)
        return error(
            f"invalid, so written and never read: {names}", psql(*map(_renew, invalid), run_as=OWNER)
        )
    if bloated := [index for index in indexes if _is_bloated(index, bloated_bytes)]:
        sizes = ", ".join(f"{index.name} {index.bytes / 2**20:,.0f} MiB" for index in bloated)
        return warning(
            f"more than {BLOATED_TIMES} times as large as they need be: {sizes}",
            psql(*map(_renew, bloated), run_as=OWNER),
        )
    return None


def _is_bloated(index: Index, least: int) -> bool:
    return index.bytes > least and index.bytes > BLOATED_TIMES * index.expected


def _renew(index: Index) -> str:
    ours = index.name in sql.index_definitions() or index.is_primary or index.is_part
    verb = "REINDEX INDEX" if ours or index.is_valid else "DROP INDEX"
    return f'{verb} CONCURRENTLY "{index.name}"'


def _versions(versions: Iterable[int]) -> str:
    return ", ".join(f"{version:04}" for version in versions)
