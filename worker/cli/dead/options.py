"""What all `dead` commands can be asked: which letters, of which broker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from contracts.outcomes import DeadLetterCode
from contracts.signing import Keyring
from contracts.topology import Topology
from worker.cli.options import parse_moment
from worker.dead_letters.filter import DeadLetterFilter
from worker.observability.logs import configure_logs
from worker.settings.config import load
from worker.settings.keyring import keyring_of

Codes = Annotated[
    list[DeadLetterCode] | None,
    typer.Option("--code", metavar="CODE", help="Refused with this code, such as bad_json; may be repeated."),
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
EventId = Annotated[str | None, typer.Option("--id", help="The event's id.")]
Number = Annotated[int | None, typer.Option("--number", min=1, help="The place in the queue, as listed.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, from the front.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letters, of which broker."""

    url: str
    topology: Topology
    wanted: DeadLetterFilter
    limit: int | None
    keyring: Keyring


def read_asked(options: Mapping[str, Any]) -> Asked:
    """Return what a command's options ask for; from now on logs go to stderr. Raises ConfigurationError."""
    servers = {name: options.get(name) for name in ("amqp_url", "prefix")}
    settings = load(servers, required=["AMQP_URL"]).settings
    configure_logs("warning", settings.log_format)
    wanted = DeadLetterFilter(
        number=options.get("number"),
        codes=frozenset(options.get("code") or ()),
        since=options.get("since"),
        until=options.get("until"),
        session=options.get("session"),
        queue=options.get("queue"),
        event_id=options.get("event_id"),
    )
    url = settings.amqp_url.get_secret_value()
    return Asked(url, Topology(settings.prefix), wanted, options.get("limit"), keyring_of(settings))
