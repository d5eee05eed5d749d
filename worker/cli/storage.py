"""The database for commands that use it directly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from worker.settings.config import Settings
from worker.store.storage import Storage, open_storage, storage_options

LONG_SECONDS: Final = 3600.0
"""The limit for statements that read whole tables."""


@asynccontextmanager
async def prepared_storage(
    settings: Settings, statement_timeout: float | None = None
) -> AsyncIterator[Storage]:
    """Yield the storage, its schema checked; `statement_timeout` in seconds replaces that of the settings.

    Raises SchemaError where the database lacks a migration, StorageUnavailable.
    """
    options = storage_options(settings, statement_timeout=statement_timeout)
    async with open_storage(options) as storage:
        await storage.check_schema()
        yield storage
