"""`export`: writes the sessions of one moment to files."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from contracts.requests import Filter
from worker.cli.console import print_json, run_to_end, warn
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl, FilterOptions, filter_of, grouped_options, not_stdout
from worker.cli.progress import Extent, progress
from worker.cli.rejections import RejectionReport
from worker.cli.storage import LONG_SECONDS, prepared_storage
from worker.errors import SessionStoreError, UnavailableError
from worker.settings.config import Settings
from worker.store.storage import Storage
from worker.transfer.exporting import ExportCounts, export
from worker.transfer.parquet import ParquetTarget
from worker.transfer.target import FolderTarget, LineTarget, Target, atomic_write

COUNT_SECONDS: Final = 10.0

To = Annotated[
    Path,
    typer.Option(
        "--to", help="A new folder, or a file .ndjson, .ndjson.gz or .parquet.", callback=not_stdout
    ),
]


@grouped_options
def export_sessions(
    to: To, wanted: FilterOptions, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Write the sessions that match the filter, all as of one moment, so that they can be imported again.

    Exit status 1 when the format cannot hold some of them; all others are written.
    """
    filter, make = filter_of(wanted), _target_for(to)
    settings = load({"database_url": database_url}, ["DATABASE_URL"]).settings
    try:
        with atomic_write(to) as draft, RejectionReport(None) as on_rejection:
            counts = run_to_end(_export(settings, filter, lambda: make(draft), on_rejection))
    except FileExistsError:
        raise typer.BadParameter(f"{to} exists already", param_hint="--to") from None
    except OSError as error:
        raise SessionStoreError(f"cannot write {to}: {error.strerror or error}") from error
    if as_json:
        print_json(asdict(counts))
    else:
        print(f"exported {counts.exported:,} sessions to {to}")
    if counts.refused:
        warn(f"{counts.refused:,} could not be written")
        raise typer.Exit(1)


def _target_for(path: Path) -> Callable[[Path], Target]:
    name = path.name.lower()
    if name.endswith(".ndjson"):
        return lambda draft: LineTarget(draft, packed=False)
    if name.endswith(".ndjson.gz"):
        return lambda draft: LineTarget(draft, packed=True)
    if name.endswith(".parquet"):
        return ParquetTarget
    if path.suffix:
        raise typer.BadParameter(f"{path}: a file ends in .ndjson, .ndjson.gz or .parquet", param_hint="--to")
    return FolderTarget


async def _export(
    settings: Settings, filter: Filter, open_target: Callable[[], Target], on_rejection: RejectionReport
) -> ExportCounts:
    counts = ExportCounts()

    def update(counts_so_far: ExportCounts) -> None:
        nonlocal counts
        counts = counts_so_far

    async with prepared_storage(settings, LONG_SECONDS) as storage:
        total = await _count(storage, filter)

        def measure() -> Extent:
            return Extent(counts.exported, counts.exported / total if total else None)

        async with (
            progress("exporting", "sessions", measure),
            aclosing(storage.snapshot.read(filter)) as chunks,
        ):
            return await export(chunks, open_target(), on_rejection, update)


async def _count(storage: Storage, filter: Filter) -> int | None:
    """Return about how many there will be; None when counting takes too long."""
    try:
        return await storage.reader.count(filter, COUNT_SECONDS)
    except UnavailableError:
        return None
