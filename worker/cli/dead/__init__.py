"""`dead`: look at refused messages, send them again, or remove them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.console import print_json, run_to_end, warn
from worker.cli.dead.actions import discard_chosen, find_first, list_chosen, replay_chosen
from worker.cli.dead.documents import document_of
from worker.cli.dead.listing import Listing, Tally
from worker.cli.dead.options import (
    Asked,
    Codes,
    DryRun,
    EventId,
    Limit,
    Number,
    Queue,
    SessionId,
    Since,
    Until,
    read_asked,
)
from worker.cli.dead.printing import Printer, print_lines
from worker.cli.dead.saving import LetterFile
from worker.cli.dead.text import LetterTable, lines_of
from worker.cli.options import AmqpUrl, AsJson, Prefix

Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="At most so many letters a second.")]
Sign = Annotated[
    bool,
    typer.Option("--sign", help="Sign them with our key: what they say is believed. Look at them first."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Save = Annotated[
    Path | None, typer.Option("--save", help="First write the whole letters to this new file, one a line.")
]
Place = Annotated[int | None, typer.Argument(min=1, help="The place in the queue, as listed.")]

app = typer.Typer(no_args_is_help=True, help="Look at refused messages, send them again, or remove them.")


@app.command("list")
def list_letters(
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    session: SessionId = None,
    queue: Queue = None,
    event_id: EventId = None,
    number: Number = None,
    limit: Limit = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Print a line for each letter, oldest first; with --json a JSON document a line. Changes nothing."""
    _list(read_asked(locals()), as_json=as_json)


@app.command("show")
def show_letter(
    number: Place = None,
    event_id: EventId = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Print one letter whole: why it is here, properties, headers and body. Changes nothing."""
    if number is None and event_id is None:
        raise typer.BadParameter("say which: a number as listed, or --id", param_hint="NUMBER")
    letter = run_to_end(find_first(read_asked(locals())))
    if letter is None:
        warn("no such letter (one that another `dead` command holds does not show)")
        raise typer.Exit(1)
    if as_json:
        print_json(document_of(letter))
        return
    print_lines(lines_of(letter))


@app.command("replay")
def replay(
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    session: SessionId = None,
    queue: Queue = None,
    event_id: EventId = None,
    number: Number = None,
    limit: Limit = None,
    rate: Rate = None,
    sign: Sign = False,
    dry_run: DryRun = False,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Send letters through the normal path again; one that fails again comes back with its history.

    A letter is removed once the broker has confirmed its copy, which keeps its signature unless --sign is given.
    With --dry-run they are listed.
    """
    asked = read_asked(locals())
    if sign and not asked.keyring:
        raise typer.BadParameter("needs SESSION_STORE_SIGNING_KEYS", param_hint="--sign")
    if dry_run:
        _list(asked, as_json=as_json, verb="would replay")
    else:
        _replay(asked, rate, sign=sign, as_json=as_json)


@app.command("discard")
def discard(
    code: Codes = None,
    since: Since = None,
    until: Until = None,
    session: SessionId = None,
    queue: Queue = None,
    event_id: EventId = None,
    number: Number = None,
    limit: Limit = None,
    yes: Yes = False,
    save: Save = None,
    dry_run: DryRun = False,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Remove letters for good, and print what was removed. Asks first, unless --yes or --id is given."""
    asked = read_asked(locals())
    if dry_run and save:
        raise typer.BadParameter("--dry-run writes nothing", param_hint="--save")
    if dry_run:
        _list(asked, as_json=as_json, verb="would discard")
    else:
        _discard(asked, save, sure=yes or event_id is not None, as_json=as_json)


def _list(asked: Asked, *, as_json: bool, verb: str = "listed") -> None:
    tally = Tally()
    with Printer() as printer:
        run_to_end(list_chosen(asked, _listing(asked, printer, as_json=as_json), tally))
    tally.say(verb)


def _replay(asked: Asked, rate: float | None, *, sign: bool, as_json: bool) -> None:
    tally, strange = Tally(), 0
    try:
        strange = run_to_end(replay_chosen(asked, rate, tally, sign=sign))
    finally:
        if as_json:
            print_json({"replayed": tally.done, **tally.as_json()})
        else:
            tally.say("replayed")
    if strange:
        warn(f"not replayed, because their routing key is no event's: {strange:,}")
        raise typer.Exit(1)


def _discard(asked: Asked, save: Path | None, *, sure: bool, as_json: bool) -> None:
    if not sure and not sys.stdin.isatty():
        raise typer.BadParameter("this removes letters for good: add --yes, or name one by --id")
    tally = Tally()
    file = LetterFile(save) if save else None
    question = None if sure else "discard {count:,} letters for good?"
    try:
        with Printer() as printer:
            listing = _listing(asked, printer, as_json=as_json)
            agreed = run_to_end(discard_chosen(asked, listing, file, question, tally))
    finally:
        tally.say("discarded")
    if not agreed:
        raise typer.Exit(1)


def _listing(asked: Asked, printer: Printer, *, as_json: bool) -> Listing:
    width = len(asked.topology.delete_queue.name)
    return Listing(printer, None if as_json else LetterTable(width))
