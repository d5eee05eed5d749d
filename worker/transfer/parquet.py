"""Parquet, for analysis: a row for each session; `encounter`, `state` and `extra` are JSON text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from worker.errors import ConfigurationError
from worker.store.rows import StoredSession
from worker.transfer.findings import Rejection
from worker.transfer.target import create, settle

GROUP_ROWS: Final = 20_000
GROUP_BYTES: Final = 32 * 1024 * 1024


class ParquetTarget:
    """Collects row groups of some megabytes and writes them, compressed by zstd.

    Raises ConfigurationError where pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._arrow, parquet = _load()
        self._schema = _schema_of(self._arrow)
        self._file = create(path)
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._rows: list[StoredSession] = []
        self._bytes = 0

    def write(self, sessions: Sequence[StoredSession]) -> list[Rejection]:
        """Take sessions; whole groups are written."""
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
        settle(self._file)

    def _write_group(self) -> None:
        columns = [list(column) for column in zip(*self._rows, strict=True)]
        columns[-1] = [str(event_id) for event_id in columns[-1]]
        arrays = [
            self._arrow.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
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
