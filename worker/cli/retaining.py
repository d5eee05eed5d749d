"""`retain`: what is old goes."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AsJson, DatabaseUrl
from worker.cli.storage import LONG_SECONDS, prepared_storage
from worker.observability.logs import configure_logs
from worker.settings.config import Settings, load
from worker.transfer.archiving import Archive, ArchiveFormat
from worker.transfer.retaining import Ages, Removed, Retainer
from worker.transfer.storing import DatabaseSink

MOST_DAYS: Final = 36_500
Completed = Annotated[
    int | None,
    typer.Option("--completed-days", min=1, max=MOST_DAYS, help="Sessions completed longer ago than this."),
]
Abandoned = Annotated[
    int | None,
    typer.Option(
        "--abandoned-days", min=1, max=MOST_DAYS, help="Incomplete sessions that nothing touched for so long."
    ),
]
Markers = Annotated[
    int | None,
    typer.Option(
        "--marker-days", min=1, max=MOST_DAYS, help="What keeps late writes of deleted sessions out."
    ),
]
ArchiveTo = Annotated[
    Path | None,
    typer.Option("--archive", help="A folder; sessions go into files there before they are removed."),
]
ArchiveAs = Annotated[
    ArchiveFormat, typer.Option("--archive-as", help="Parquet for analysis, NDJSON to import again.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")]


def retain(
    completed_days: Completed = None,
    abandoned_days: Abandoned = None,
    marker_days: Markers = None,
    archive: ArchiveTo = None,
    archive_as: ArchiveAs = ArchiveFormat.PARQUET,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove what is older than the ages given, while everybody works; what has no age given stays.

    Exit status 75 when another process does it already.
    """
    ages = Ages(completed_days, abandoned_days, marker_days)
    if ages == Ages(None, None, None):
        raise typer.BadParameter("say what: --completed-days, --abandoned-days or --marker-days")
    if archive and not archive.is_dir():
        raise typer.BadParameter(f"{archive} is not a folder", param_hint="--archive")
    settings = load({"database_url": database_url}, ["DATABASE_URL"]).settings
    configure_logs(settings.log_level, settings.log_format)
    removed = Removed()
    kept = (archive, archive_as) if archive else None
    run_to_end(_retain(settings, ages, removed, kept, dry_run=dry_run))
    counts = asdict(removed)
    if as_json:
        print_json({**counts, "dryRun": dry_run})
    else:
        heading = "would be removed" if dry_run else "removed"
        print_table(("what", heading), [(name, f"{count:,}") for name, count in counts.items()])


async def _retain(
    settings: Settings,
    ages: Ages,
    removed: Removed,
    kept: tuple[Path, ArchiveFormat] | None,
    *,
    dry_run: bool,
) -> None:
    async with prepared_storage(settings, LONG_SECONDS) as storage:
        sink = None if dry_run else DatabaseSink(storage.deleter, settings.patience_s)
        archive = Archive(*kept, storage.retention.read) if kept else None
        await Retainer(storage.retention, sink, removed, archive).run(ages)
