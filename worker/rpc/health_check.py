"""The answer to `health.check`."""

from collections.abc import Callable
from datetime import UTC, datetime

from contracts.scalars import format_timestamp
from worker import release
from worker.errors import StorageUnavailable
from worker.observability.health import ServingState
from worker.store.storage import Storage


class HealthCheck:
    """Asks the database, and tells how far storing is behind."""

    def __init__(self, storage: Storage, state: Callable[[], ServingState]) -> None:
        self._storage = storage
        self._state = state
        self._release = release()

    async def check(self) -> dict[str, object]:
        """Return the result of `health.check` (contract: Request)."""
        database = "ok"
        try:
            await self._storage.ping()
        except StorageUnavailable as error:
            database = error.reason
        lag = round(self._state().lag, 3)
        return {
            "ok": database == "ok",
            "database": database,
            "lagSeconds": lag,
            "version": self._release,
            "time": format_timestamp(datetime.now(UTC)),
        }
