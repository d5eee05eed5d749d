"""`partition`: keeps the sessions in partitions, by date."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from contracts.scalars import format_timestamp
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl, parse_moment
from worker.cli.progress import Extent, progress
from worker.store.conversion import CopyProgress, abandon, convert
from worker.store.layout import (
    Kind,
    Partition,
    PartitionInterval,
    Plan,
    layout_connection,
    maintain,
    read_layout,
    read_partitions,
)

app = typer.Typer(no_args_is_help=True, help="Keep the sessions in partitions, by the date they started.")
MAX_AHEAD: Final = 1000
Since = Annotated[
    datetime | None,
    typer.Option(
        help="Make partitions from then on, instead of from now.", parser=parse_moment, metavar="TIME"
    ),
]
OfWidth = Annotated[
    PartitionInterval | None,
    typer.Option("--width", help="Of new partitions; as the newest, or a month."),
]
Ahead = Annotated[int, typer.Option(min=0, max=MAX_AHEAD, help="How many to have after the current one.")]
Least = Annotated[
    int, typer.Option(min=1, help="Any other time gets a partition once it has this many sessions.")
]
DropEmpty = Annotated[bool, typer.Option("--drop-empty", help="Drop partitions that are past and empty.")]


@app.command("convert")
def convert_sessions(
    width: OfWidth = None,
    since: Since = None,
    ahead: Ahead = 3,
    least: Least = 1000,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Partition the sessions while workers run; an interrupted conversion continues where it was.

    Exit status 75 when another process does it, or a long transaction blocks it.
    """
    copied = run_to_end(_convert(_dsn(database_url), Plan(width, since, ahead, least)))
    if as_json:
        print_json({"converted": copied is not None, "copied": copied.sessions if copied else 0})
    else:
        print(f"partitioned; copied {copied.sessions:,} sessions" if copied else "already partitioned")


@app.command("abandon")
def abandon_conversion(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Abandon an unfinished conversion: the copies are removed, the sessions stay unchanged."""
    done = run_to_end(_abandon(_dsn(database_url)))
    if as_json:
        print_json({"abandoned": done})
    else:
        print("abandoned" if done else "no conversion is under way")


@app.command("maintain")
def maintain_partitions(
    width: OfWidth = None,
    since: Since = None,
    ahead: Ahead = 3,
    least: Least = 1000,
    drop_empty: DropEmpty = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make the partitions that are needed soon, and those for sessions of other times; run it every day.

    Exit status 75 when another process does it, or a long transaction blocks it.
    """
    plan = Plan(width, since, ahead, least)
    made, dropped = run_to_end(_maintain(_dsn(database_url), plan, drop_empty=drop_empty))
    if as_json:
        print_json({"made": made, "dropped": dropped})
    else:
        print(f"made {made}, dropped {dropped}")


@app.command("show")
def show_partitions(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Print the layout and the partitions."""
    kind, partitions = run_to_end(_read(_dsn(database_url)))
    if as_json:
        print_json({"layout": kind, "partitions": [_document_of(known) for known in partitions]})
        return
    print(f"layout: {kind}")
    if partitions:
        rows = [tuple(map(str, _document_of(known).values())) for known in partitions]
        print_table(("partition", "from", "to", "sessions, about", "bytes"), rows)


def _dsn(database_url: str | None) -> str:
    settings = load({"database_url": database_url}, ["DATABASE_URL"]).settings
    return settings.database_url.get_secret_value()


async def _convert(dsn: str, plan: Plan) -> CopyProgress | None:
    copied = CopyProgress()

    def update(progress: CopyProgress) -> None:
        nonlocal copied
        copied = progress

    def measure() -> Extent:
        return Extent(copied.sessions, copied.sessions / copied.total if copied.total else None)

    async with layout_connection(dsn) as connection, progress("copying", "sessions", measure):
        return await convert(connection, plan, update)


async def _abandon(dsn: str) -> bool:
    async with layout_connection(dsn) as connection:
        return await abandon(connection)


async def _maintain(dsn: str, plan: Plan, *, drop_empty: bool) -> tuple[int, int]:
    async with layout_connection(dsn) as connection:
        return await maintain(connection, plan, drop_empty=drop_empty)


async def _read(dsn: str) -> tuple[Kind, Sequence[Partition]]:
    async with layout_connection(dsn) as connection:
        return await read_layout(connection), await read_partitions(connection)


def _document_of(known: Partition) -> dict[str, Any]:
    return {
        "name": known.name,
        "from": known.starts and format_timestamp(known.starts),
        "to": known.ends and format_timestamp(known.ends),
        "sessions": known.rows,
        "bytes": known.bytes,
    }
