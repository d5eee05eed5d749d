"""`import`: stores sessions from the engine's file storage or from NDJSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

import typer

from contracts.client import SessionStore
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix, not_stdout
from worker.cli.progress import Extent, progress
from worker.cli.rejections import RejectionReport
from worker.cli.storage import prepared_storage
from worker.observability.logs import configure_logs
from worker.settings.config import Flags, Settings
from worker.transfer.bounded import BoundedSink
from worker.transfer.dry_run import DryRunSink
from worker.transfer.findings import OnRejection
from worker.transfer.importing import ImportCounts, Importer
from worker.transfer.publishing import QueueSink
from worker.transfer.source import Source, open_source
from worker.transfer.storing import DatabaseSink, Sink

CONFIRMATION_SECONDS: Final = 60.0


class Via(StrEnum):
    """How an import stores the sessions."""

    DATABASE = "database"
    QUEUE = "queue"


From = Annotated[
    str,
    typer.Option(
        "--source", help="A folder with <sessionId>.json, an NDJSON file (.gz too), or - for stdin."
    ),
]
Way = Annotated[Via, typer.Option("--via", help="Directly into the database, or through a running worker.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the result of an import; change nothing.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report", help="Write rejected sessions to this file, a JSON document a line.", callback=not_stdout
    ),
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
    """Store sessions from files. A repeated import changes nothing, and newer writes of engines are kept.

    Exit status 1 when something was rejected; everything else is stored.
    """
    if dry_run and via is Via.QUEUE:
        raise typer.BadParameter("reads the database: leave out --via queue", param_hint="--dry-run")
    flags: Flags = {"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix}
    settings = load(flags, ["AMQP_URL" if via is Via.QUEUE else "DATABASE_URL"]).settings
    configure_logs(settings.log_level, settings.log_format)
    with _Summary(as_json=as_json, dry_run=dry_run) as summary:
        try:
            with open_source(source, settings.body_limit) as opened, RejectionReport(report) as on_rejection:
                run_to_end(_import(opened, settings, via, on_rejection, summary, dry_run=dry_run))
        except OSError as error:
            raise typer.BadParameter(f"{source}: {error.strerror}", param_hint="--source") from None
    if summary.counts.refused:
        raise typer.Exit(1)


class _Summary:
    """The counts so far; printed at the end, also when an error ends the import early."""

    def __init__(self, *, as_json: bool, dry_run: bool) -> None:
        self._as_json = as_json
        self._dry_run = dry_run
        self.counts = ImportCounts()

    def update(self, counts: ImportCounts) -> None:
        """Keep the counts so far."""
        self.counts = counts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or self.counts.found:
            self._print()

    def _print(self) -> None:
        counts = asdict(self.counts)
        if self._as_json:
            print_json({**counts, "dryRun": self._dry_run})
            return
        names = {"imported": "would be imported"} if self._dry_run else {}
        rows = [(names.get(name, name), f"{count:,}") for name, count in counts.items()]
        print_table(("what", "number"), rows)


async def _import(
    source: Source,
    settings: Settings,
    via: Via,
    on_rejection: OnRejection,
    summary: _Summary,
    *,
    dry_run: bool,
) -> None:
    def measure() -> Extent:
        return Extent(summary.counts.found, source.fraction_read(summary.counts.found))

    opened = _queue(settings) if via is Via.QUEUE else _database(settings, dry_run=dry_run)
    async with opened as sink, progress("importing", source.unit, measure):
        await Importer(sink, on_rejection, summary.update).run(source.chunks)


@asynccontextmanager
async def _database(settings: Settings, *, dry_run: bool) -> AsyncIterator[Sink]:
    async with prepared_storage(settings) as storage:
        if dry_run:
            yield BoundedSink(DryRunSink(storage.ledger), settings.revision_lead_s)
        else:
            sink = DatabaseSink(storage.writer, settings.patience_s)
            yield BoundedSink(sink, settings.revision_lead_s)


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
