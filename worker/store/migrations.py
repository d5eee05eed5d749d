"""Bring a database to the schema this program was written for.

Migrations go forward only, and each adds before a later release takes away, so that old and new
workers run side by side: a worker needs all of its own migrations, and does not mind newer ones.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg

from sql import MigrationFile, migration_files
from worker.errors import RightsError, SchemaError, UnavailableError
from worker.store.connecting import connect, noting
from worker.store.failures import translated
from worker.store.pool import Connection
from worker.store.unfit import refuse_unfit

DEVELOPMENT = "A database of a development version"
"""The section of sql/README.md for a database of the migrations from before the first release."""

LOCK_TIMEOUT_SECONDS = 5
TURN_SECONDS = 0.1
_ADVISORY_LOCK = int.from_bytes(b"sessions")
_REFUSAL_CLASSES = ("22", "23", "2B", "42")  # the content, a dependent object, missing rights
_END_OF_STATEMENT = re.compile(r";[ \t]*\n")


class SchemaAhead(SchemaError):
    """The database has migrations that this program does not know: a newer release was here."""


class MigrationAltered(SchemaError):
    """A migration that the database has is not the one this program carries."""


class MigrationsReplaced(SchemaError):
    """The database has other migrations under our numbers: those of a development version."""


class MigrationFailed(SchemaError):
    """The database refused a migration, which left nothing behind if it runs in a transaction."""


class MigrationRefused(RightsError):
    """The login may not change the schema; the migrations before the refused one are applied."""


class MigrationBlocked(UnavailableError):
    """A migration waited too long for a lock; it can be tried again."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """How a database's schema compares with this program's; versions, oldest first.

    `applied` are in the database, `pending` are not, `ahead` are unknown to this program, `altered` have different
    checksums, `replaced` have another name in the database.
    """

    applied: tuple[int, ...]
    pending: tuple[int, ...]
    ahead: tuple[int, ...]
    altered: tuple[int, ...]
    replaced: tuple[int, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the database has every migration of this program as it is here."""
        return not (self.pending or self.altered or self.replaced)


async def migrate(dsn: str) -> list[int]:
    """Apply the pending migrations, and return their versions: none when the database was up to date.

    Safe to run from several places at once: one does the work, the others wait and find it done.
    Raises EncodingRefused, SchemaMoved, MigrationsReplaced, SchemaAhead or MigrationAltered before anything is
    changed; with the migrations before the failed one applied, MigrationFailed, MigrationRefused, MigrationBlocked or
    StorageUnavailable.
    """
    async with connection_to(dsn) as connection:
        with _by_the_owner():
            return await _migrate(connection)


async def _migrate(connection: asyncpg.Connection) -> list[int]:
    await _wait_for_turn(connection)
    await refuse_unfit(connection)
    await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    pending = refuse_unless_ours(await status_of(connection)).pending
    files = [file for file in migration_files() if file.version in pending]
    for file in files:
        await _apply(connection, file)
    await _fill_in_checksums(connection)
    return [file.version for file in files]


@contextmanager
def _by_the_owner() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        said = f"{error}; log in as session_store_migrator, or where a table is another's, as a superuser"
        raise MigrationRefused(said) from error


async def status(dsn: str) -> MigrationStatus:
    """Return how the database compares with this program, changing nothing; raises StorageUnavailable."""
    async with connection_to(dsn) as connection:
        return await status_of(connection)


async def status_of(connection: Connection) -> MigrationStatus:
    """Return how the database behind an open connection compares with this program."""
    known = {file.version: file for file in migration_files()}
    rows: list[asyncpg.Record] = []
    if await connection.fetchval("SELECT to_regclass('session_store_migrations')"):
        rows = await connection.fetch(
            "SELECT version, name, checksum FROM session_store_migrations ORDER BY version"
        )
    applied = tuple(row["version"] for row in rows)
    both = [(known[row["version"]], row) for row in rows if row["version"] in known]
    ours = [(file, row) for file, row in both if row["name"] == file.name]
    return MigrationStatus(
        applied=applied,
        pending=tuple(version for version in known if version not in applied),
        ahead=tuple(version for version in applied if version not in known),
        altered=tuple(file.version for file, row in ours if row["checksum"] not in (None, file.checksum)),
        replaced=tuple(file.version for file, row in both if row["name"] != file.name),
    )


def refuse_unless_ours(found: MigrationStatus) -> MigrationStatus:
    """Return the status of a database that may be migrated; raise for one that is ahead, altered or replaced."""
    _refuse_replaced(found)
    if found.ahead:
        raise SchemaAhead(
            f"the database has migrations {_listed(found.ahead)}, which this release does not know; "
            "use the release that applied them, or a newer one"
        )
    if found.altered:
        raise MigrationAltered(
            f"migrations {_listed(found.altered)} were applied from other files than this release carries; "
            "compare the releases, and set session_store_migrations.checksum to null once the schema is right"
        )
    return found


def refuse_if_behind(found: MigrationStatus) -> None:
    """Raise SchemaError for a database that lacks a migration of this program; one that is ahead will do."""
    _refuse_replaced(found)
    if found.pending:
        raise SchemaError(
            f"the database lacks migrations {_listed(found.pending)}; run: session-store migrate"
        )


def _refuse_replaced(found: MigrationStatus) -> None:
    if found.replaced:
        raise MigrationsReplaced(
            f"the database has the migrations of a development version: {_listed(found.replaced)} are others here; "
            f"see '{DEVELOPMENT}' in sql/README.md"
        )


async def _wait_for_turn(connection: asyncpg.Connection) -> None:
    """Return with the lock. A call that waited for it would hold a snapshot, and an index that is built
    concurrently waits for every older snapshot: a deadlock.
    """
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _ADVISORY_LOCK):  # noqa: ASYNC110
        await asyncio.sleep(TURN_SECONDS)


async def _apply(connection: asyncpg.Connection, file: MigrationFile) -> None:
    try:
        await _run(connection, file)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationBlocked(
            f"migration {file.version:04}_{file.name} waited {LOCK_TIMEOUT_SECONDS} s for a lock; "
            "run it again when the long transaction in its way has ended"
        ) from error
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(_REFUSAL_CLASSES):
            raise
        raise MigrationFailed(f"migration {file.version:04}_{file.name}: {error}") from error


async def _run(connection: asyncpg.Connection, file: MigrationFile) -> None:
    if file.in_transaction:
        async with connection.transaction():
            await connection.execute(file.text)
    else:  # a statement each: several sent at once are one transaction
        for statement in filter(str.strip, _END_OF_STATEMENT.split(file.text)):
            await connection.execute(statement)


async def _fill_in_checksums(connection: asyncpg.Connection) -> None:
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM session_store_migrations WHERE checksum IS NULL)"
    ):
        return  # so that a login without the right to write learns that nothing is to be done
    await connection.executemany(
        "UPDATE session_store_migrations SET checksum = $2 WHERE version = $1 AND checksum IS NULL",
        [(file.version, file.checksum) for file in migration_files()],
    )


@asynccontextmanager
async def connection_to(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection of its own; inside, the driver's errors are translated, with a note of the server."""
    with translated(), noting(dsn):
        connection = await connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(f"{version:04}" for version in versions)
