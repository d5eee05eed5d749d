"""`dead`: list dead letters, publish them again, or remove them."""

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from contracts.outcomes import DeadLetterCode
from contracts.topology import Topology
from worker.cli.console import print_json, run_to_end, warn
from worker.cli.dead.actions import Selected, discard_selected, find_first, list_selected, replay_selected
from worker.cli.dead.output import Counts, DeadLetterFile, Listing, Printer, print_lines
from worker.cli.dead.rendering import DeadLetterTable, document_of, lines_of
from worker.cli.loading import load
from worker.cli.options import AsJson, BrokerOptions, grouped_options, not_stdout, parse_moment
from worker.dead_letters.filter import DeadLetterFilter
from worker.observability.logs import configure_logs
from worker.settings.keyring import keyring_of

Codes = Annotated[
    list[DeadLetterCode] | None,
    typer.Option("--code", metavar="CODE", help="With this code, such as bad_json; may be repeated."),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_moment, metavar="TIME", help="Failed then or later: RFC 3339, or 2h, 30m, 1d ago."
    ),
]
Until = Annotated[
    datetime | None, typer.Option(parser=parse_moment, metavar="TIME", help="Failed then or earlier.")
]
SessionId = Annotated[str | None, typer.Option("--session", help="The event names this session.")]
Queue = Annotated[str | None, typer.Option("--queue", help="Failed in this queue, such as session.write.")]
EventId = Annotated[str | None, typer.Option("--id", help="The event has this id.")]
Number = Annotated[int | None, typer.Option("--number", min=1, help="The place in the queue, as listed.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many, from the front.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the selected dead letters; change nothing.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="At most this many a second.")]
Sign = Annotated[
    bool,
    typer.Option("--sign", help="Sign them with our key, so that workers accept them. Read them first."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save",
        help="First write the dead letters in full to this new file, one a line.",
        callback=not_stdout,
    ),
]
Place = Annotated[int | None, typer.Argument(min=1, help="The place in the queue, as listed.")]

app = typer.Typer(no_args_is_help=True, help="List dead letters, publish them again, or remove them.")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters; every condition must hold."""

    code: Codes = None
    since: Since = None
    until: Until = None
    session: SessionId = None
    queue: Queue = None
    event_id: EventId = None
    number: Number = None
    limit: Limit = None


@app.command("list")
@grouped_options
def list_dead_letters(selection: Selection, broker: BrokerOptions, as_json: AsJson = False) -> None:
    """Print a line for each dead letter, oldest first; with --json a JSON document a line. Changes nothing."""
    _list(_select(selection, broker), as_json=as_json)


@app.command("show")
@grouped_options
def show_dead_letter(
    *, number: Place = None, event_id: EventId = None, broker: BrokerOptions, as_json: AsJson = False
) -> None:
    """Print one dead letter in full: why it failed, properties, headers and body. Changes nothing."""
    if number is None and event_id is None:
        raise typer.BadParameter("give a number as listed, or --id", param_hint="NUMBER")
    letter = run_to_end(find_first(_select(Selection(number=number, event_id=event_id), broker)))
    if letter is None:
        warn("no such dead letter (one that another `dead` command holds does not show)")
        raise typer.Exit(1)
    if as_json:
        print_json(document_of(letter))
        return
    print_lines(lines_of(letter))


@app.command("replay")
@grouped_options
def replay(
    *,
    selection: Selection,
    rate: Rate = None,
    sign: Sign = False,
    dry_run: DryRun = False,
    broker: BrokerOptions,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again, on the normal path; one that fails again comes back with its history.

    A dead letter is removed once the broker has confirmed its copy, which keeps its signature unless --sign is given.
    With --dry-run they are listed.
    """
    selected = _select(selection, broker)
    if sign and not selected.keyring:
        raise typer.BadParameter("needs SESSION_STORE_SIGNING_KEYS", param_hint="--sign")
    if dry_run:
        _list(selected, as_json=as_json, verb="would replay")
    else:
        _replay(selected, rate, sign=sign, as_json=as_json)


@app.command("discard")
@grouped_options
def discard(
    *,
    selection: Selection,
    yes: Yes = False,
    save: Save = None,
    dry_run: DryRun = False,
    broker: BrokerOptions,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters permanently, and print them. Asks first, unless --yes or --id is given."""
    selected = _select(selection, broker)
    if dry_run and save:
        raise typer.BadParameter("--dry-run writes nothing", param_hint="--save")
    if dry_run:
        _list(selected, as_json=as_json, verb="would discard")
    else:
        _discard(selected, save, sure=yes or selection.event_id is not None, as_json=as_json)


def _select(selection: Selection, broker: BrokerOptions) -> Selected:
    """Return the selection of the options; from now on logs go to stderr. Raises ConfigurationError."""
    settings = load(broker.flags(), required=["AMQP_URL"]).settings
    configure_logs("warning", settings.log_format)
    return Selected(
        url=settings.amqp_url.get_secret_value(),
        topology=Topology(settings.prefix),
        keyring=keyring_of(settings),
        filter=DeadLetterFilter(
            number=selection.number,
            codes=frozenset(selection.code or ()),
            since=selection.since,
            until=selection.until,
            session=selection.session,
            queue=selection.queue,
            event_id=selection.event_id,
        ),
        limit=selection.limit,
    )


def _list(selected: Selected, *, as_json: bool, verb: str = "listed") -> None:
    counts = Counts()
    with Printer() as printer:
        run_to_end(list_selected(selected, _listing(selected, printer, as_json=as_json), counts))
    counts.print(verb)


def _replay(selected: Selected, rate: float | None, *, sign: bool, as_json: bool) -> None:
    counts, no_events = Counts(), 0
    try:
        no_events = run_to_end(replay_selected(selected, rate, counts, sign=sign))
    finally:
        if as_json:
            print_json({"replayed": counts.done, **counts.as_json()})
        else:
            counts.print("replayed")
    if no_events:
        warn(f"not replayed, because their routing key is no event's: {no_events:,}")
        raise typer.Exit(1)


def _discard(selected: Selected, save: Path | None, *, sure: bool, as_json: bool) -> None:
    if not sure and not sys.stdin.isatty():
        raise typer.BadParameter("this removes dead letters permanently: add --yes, or name one by --id")
    counts = Counts()
    file = DeadLetterFile(save) if save else None
    question = None if sure else "discard {count:,} dead letters permanently?"
    try:
        with Printer() as printer:
            listing = _listing(selected, printer, as_json=as_json)
            agreed = run_to_end(discard_selected(selected, listing, file, question, counts))
    finally:
        counts.print("discarded")
    if not agreed:
        raise typer.Exit(1)


def _listing(selected: Selected, printer: Printer, *, as_json: bool) -> Listing:
    width = len(selected.topology.delete_queue.name)
    return Listing(printer, None if as_json else DeadLetterTable(width))
