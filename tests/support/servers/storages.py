"""The storage of a database of the tests."""

from contextlib import AbstractAsyncContextManager

from worker.store.storage import Storage, StorageOptions, open_storage


def storage_at(url: str, pool_size: int = 4) -> AbstractAsyncContextManager[Storage]:
    """Return a context manager that opens the storage of the database; two of its connections write."""
    return open_storage(
        StorageOptions(dsn=lambda: url, pool_size=pool_size, connect_timeout=10, statement_timeout=30)
    )
