"""`export`: sessions of one moment into files."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from contracts.requests import Filter
from worker.cli.console import print_json, run_to_end, warn
from worker.cli.options import AsJson, DatabaseUrl
from worker.cli.progress import Extent, progress
from worker.cli.refusals import Refusals
from worker.cli.sessions import (
    Completed,
    Difficulty,
    Player,
    StartedAfter,
    StartedBefore,
    filter_of,
)
from worker.cli.storage import LONG_SECONDS, prepared_storage
from worker.errors import SessionStoreError, UnavailableError
from worker.settings.config import Settings, load
from worker.store.storage import Storage
from worker.transfer.exporting import Written, export
from worker.transfer.parquet import ParquetTarget
from worker.transfer.target import FolderTarget, LineTarget, Target, replacing

COUNT_SECONDS: Final = 10.0

To = Annotated[Path, typer.Option("--to", help="A new folder, or a file .ndjson, .ndjson.gz or .parquet.")]


def export_sessions(
    to: To,
    player: Player = None,
    completed: Completed = None,
    difficulty: Difficulty = None,
    started_after: StartedAfter = None,
    started_before: StartedBefore = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the sessions that pass the filter, all as of one moment; what is written imports back.

    Exit status 1 when the layout could not hold some, though all the rest is written.
    """
    wanted, make = filter_of(locals()), _target_for(to)
    settings = load({"database_url": database_url}, ["DATABASE_URL"]).settings
    try:
        with replacing(to) as draft, Refusals(None) as refuse:
            written = run_to_end(_export(settings, wanted, lambda: make(draft), refuse))
    except FileExistsError:
        raise typer.BadParameter(f"{to} exists already", param_hint="--to") from None
    except OSError as error:
        raise SessionStoreError(f"cannot write {to}: {error.strerror or error}") from error
    if as_json:
        print_json(asdict(written))
    else:
        print(f"exported {written.exported:,} sessions to {to}")
    if written.refused:
        warn(f"{written.refused:,} could not be written")
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
    settings: Settings, wanted: Filter, open_target: Callable[[], Target], refuse: Refusals
) -> Written:
    written = Written()
    async with prepared_storage(settings, LONG_SECONDS) as storage:
        total = await _count(storage, wanted)

        def look() -> Extent:
            return Extent(written.exported, written.exported / total if total else None)

        async with (
            progress("exporting", "sessions", look),
            aclosing(storage.snapshot.read(wanted)) as portions,
        ):
            await export(portions, open_target(), refuse, written)
    return written


async def _count(storage: Storage, wanted: Filter) -> int | None:
    """Return how many it will be, about; None where that takes too long to tell."""
    try:
        return await storage.reader.count(wanted, COUNT_SECONDS)
    except UnavailableError:
        return None
