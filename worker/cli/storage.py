"""The database for commands that work on it themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from worker.settings.config import Settings
from worker.store.storage import Storage, StorageOptions, open_storage

LONG_SECONDS: Final = 3600.0
"""For statements that read whole tables."""


@asynccontextmanager
async def prepared_storage(settings: Settings, statement_timeout: float) -> AsyncIterator[Storage]:
    """Yield the storage, its schema checked; `statement_timeout` is in seconds.

    Raises SchemaError where the database lacks a migration, StorageUnavailable.
    """
    options = StorageOptions(
        settings.database_url.get_secret_value,
        settings.pool_size,
        settings.connection_timeout_ms / 1000,
        statement_timeout,
        pooler=settings.pooler,
        citus=settings.citus,
    )
    async with open_storage(options) as storage:
        await storage.check_schema()
        yield storage
