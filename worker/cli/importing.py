"""`import`: sessions out of the engine's file storage, or out of NDJSON."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from contracts.client import SessionStore
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.cli.progress import Extent, progress
from worker.cli.refusals import Refusals
from worker.cli.storage import prepared_storage
from worker.observability.logs import configure_logs
from worker.settings.config import Settings, load
from worker.transfer.dry_run import DryRunSink
from worker.transfer.importing import Importer, Refuse
from worker.transfer.publishing import QueueSink
from worker.transfer.source import Source, open_source
from worker.transfer.storing import DatabaseSink, Sink
from worker.transfer.tally import ImportCounts

CONFIRMATION_SECONDS: Final = 60.0


class Via(StrEnum):
    """Which way an import takes."""

    DATABASE = "database"
    QUEUE = "queue"


From = Annotated[
    str,
    typer.Option(
        "--source", help="A folder with <sessionId>.json, an NDJSON file (.gz too), or - for stdin."
    ),
]
Way = Annotated[Via, typer.Option("--via", help="Straight into the database, or through a running worker.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would become of it; change nothing.")]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write what is refused to this file, a JSON document a line.")
]


def import_sessions(
    source: From,
    via: Way = Via.DATABASE,
    dry_run: DryRun = False,
    report: Report = None,
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Store sessions from files; importing again changes nothing, and what an engine wrote since is kept.

    Exit status 1 when something was refused, though all the rest is stored.
    """
    if dry_run and via is Via.QUEUE:
        raise typer.BadParameter("asks the database: leave out --via queue", param_hint="--dry-run")
    flags = {"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix}
    settings = load(flags, ["AMQP_URL" if via is Via.QUEUE else "DATABASE_URL"]).settings
    configure_logs(settings.log_level, settings.log_format)
    tally = ImportCounts()
    with _telling(tally, as_json=as_json, dry_run=dry_run):
        try:
            with open_source(source, settings.body_limit) as opened, Refusals(report) as refuse:
                run_to_end(_import(opened, settings, via, refuse, tally, dry_run=dry_run))
        except OSError as error:
            raise typer.BadParameter(f"{source}: {error.strerror}", param_hint="--source") from None
    if tally.refused:
        raise typer.Exit(1)


async def _import(
    source: Source, settings: Settings, via: Via, refuse: Refuse, tally: ImportCounts, *, dry_run: bool
) -> None:
    def look() -> Extent:
        return Extent(tally.found, source.part_of(tally.found))

    opened = _queue(settings) if via is Via.QUEUE else _database(settings, dry_run=dry_run)
    async with opened as sink, progress("importing", source.unit, look):
        await Importer(sink, refuse, tally).run(source.portions)


@asynccontextmanager
async def _database(settings: Settings, *, dry_run: bool) -> AsyncIterator[Sink]:
    async with prepared_storage(settings, settings.statement_timeout_ms / 1000) as storage:
        if dry_run:
            yield DryRunSink(storage.ledger)
        else:
            yield DatabaseSink(storage.writer, settings.patience_s)


@asynccontextmanager
async def _queue(settings: Settings) -> AsyncIterator[Sink]:
    url, keys = settings.amqp_url.get_secret_value(), settings.signing_keys.get_secret_value()
    async with SessionStore(
        url,
        prefix=settings.prefix,
        source="session-store import",
        timeout=CONFIRMATION_SECONDS,
        keys=keys,
        body_limit=settings.body_limit,
    ) as store:
        yield QueueSink(store)


@contextmanager
def _telling(tally: ImportCounts, *, as_json: bool, dry_run: bool) -> Iterator[None]:
    """Print the counts at the end, those so far where it comes too early."""
    try:
        yield
    except BaseException:
        if tally.found:
            _print_tally(tally, as_json=as_json, dry_run=dry_run)
        raise
    _print_tally(tally, as_json=as_json, dry_run=dry_run)


def _print_tally(tally: ImportCounts, *, as_json: bool, dry_run: bool) -> None:
    counts = asdict(tally)
    if as_json:
        print_json({**counts, "dryRun": dry_run})
        return
    names = {"imported": "would be imported"} if dry_run else {}
    print_table(("what", "number"), [(names.get(name, name), f"{count:,}") for name, count in counts.items()])
