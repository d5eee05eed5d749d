"""Parquet, for analysis: one row a session; `encounter`, `state` and `extra` are JSON text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from worker.errors import ConfigurationError
from worker.store.rows import StoredSession
from worker.transfer.findings import Rejection
from worker.transfer.target import create_private, fsync_and_close

GROUP_ROWS: Final = 20_000
GROUP_BYTES: Final = 32 * 1024 * 1024


class ParquetTarget:
    """Writes row groups of some megabytes, compressed by zstd.

    Raises ConfigurationError where pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._arrow, parquet = _load()
        self._schema = _schema_of(self._arrow)
        self._file = create_private(path)
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows: list[StoredSession] = []
        self._bytes = 0

    def write(self, sessions: Sequence[StoredSession]) -> list[Rejection]:
        """Add sessions; a group is written when it is full."""
        self._rows += sessions
        self._bytes += sum(len(row.encounter) + len(row.state) + len(row.extra or "") for row in sessions)
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()
        return []

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._rows:
            self._write_group()
        self._writer.close()
        fsync_and_close(self._file)

    def _write_group(self) -> None:
        rows = [{**row._asdict(), "event_id": str(row.event_id)} for row in self._rows]
        self._writer.write_batch(self._arrow.RecordBatch.from_pylist(rows, schema=self._schema))
        self._rows, self._bytes = [], 0


def _load() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigurationError("Parquet needs pyarrow: pip install 'session-store[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _schema_of(arrow: Any) -> Any:
    """The columns of StoredSession; times are in microseconds, UTC."""
    text, moment, number = arrow.string(), arrow.timestamp("us", tz="UTC"), arrow.int64()
    times, texts = {"started_at", "completed_at", "created_at", "updated_at"}, {"revision": number}
    return arrow.schema(
        [(name, moment if name in times else texts.get(name, text)) for name in StoredSession._fields]
    )
