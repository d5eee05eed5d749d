"""`retain`: removes old sessions and tombstones."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl, not_stdout
from worker.cli.storage import LONG_SECONDS, prepared_storage
from worker.observability.logs import configure_logs
from worker.settings.config import Settings
from worker.transfer.archiving import Archive, ArchiveFormat
from worker.transfer.retaining import Ages, RemovalCounts, Retainer
from worker.transfer.storing import DatabaseSink

MAX_DAYS: Final = 36_500
Completed = Annotated[
    int | None,
    typer.Option("--completed-days", min=1, max=MAX_DAYS, help="Sessions completed longer ago than this."),
]
Abandoned = Annotated[
    int | None,
    typer.Option(
        "--abandoned-days", min=1, max=MAX_DAYS, help="Incomplete sessions without a change for so long."
    ),
]
Tombstones = Annotated[
    int | None,
    typer.Option(
        "--tombstone-days",
        min=1,
        max=MAX_DAYS,
        help="Tombstones: they keep late writes of deleted sessions out.",
    ),
]
ArchiveTo = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        help="A folder; sessions are written to files there before they are removed.",
        callback=not_stdout,
    ),
]
ArchiveAs = Annotated[
    ArchiveFormat, typer.Option("--archive-as", help="Parquet for analysis, NDJSON to import again.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count the sessions and tombstones to remove; change nothing.")
]


def retain(
    completed_days: Completed = None,
    abandoned_days: Abandoned = None,
    tombstone_days: Tombstones = None,
    archive: ArchiveTo = None,
    archive_as: ArchiveAs = ArchiveFormat.PARQUET,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove sessions and tombstones that are older than the given ages, while workers run.

    An age that is not given removes nothing. Exit status 75 when another process does it already.
    """
    ages = Ages(completed_days, abandoned_days, tombstone_days)
    if ages == Ages(None, None, None):
        raise typer.BadParameter("give an age: --completed-days, --abandoned-days or --tombstone-days")
    if archive and not archive.is_dir():
        raise typer.BadParameter(f"{archive} is not a folder", param_hint="--archive")
    settings = load({"database_url": database_url}, ["DATABASE_URL"]).settings
    configure_logs(settings.log_level, settings.log_format)
    kept = (archive, archive_as) if archive else None
    counts = asdict(run_to_end(_retain(settings, ages, kept, dry_run=dry_run)))
    if as_json:
        print_json({**counts, "dryRun": dry_run})
    else:
        heading = "would be removed" if dry_run else "removed"
        print_table(("what", heading), [(name, f"{count:,}") for name, count in counts.items()])


async def _retain(
    settings: Settings, ages: Ages, kept: tuple[Path, ArchiveFormat] | None, *, dry_run: bool
) -> RemovalCounts:
    async with prepared_storage(settings, LONG_SECONDS) as storage:
        sink = None if dry_run else DatabaseSink(storage.deleter, settings.patience_s)
        archive = Archive(*kept, storage.retention.read) if kept else None
        return await Retainer(storage.retention, sink, archive).run(ages)
