"""`sessions`, `stats` and `health`: what a worker answers, asked over the broker as an engine asks."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import orjson
import typer

from contracts.client import BadRequest, Misconfigured, SessionStore, TimedOut, Unavailable, Untrusted
from contracts.client import SessionStoreError as ClientError
from contracts.replies import Record
from contracts.requests import Filter, QueryOptions, SortKey, SortOrder
from contracts.scalars import format_timestamp
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AmqpUrl, AsJson, Prefix, parse_moment
from worker.errors import ConfigurationError, SessionStoreError, UnavailableError
from worker.settings.config import load

Answer = TypeVar("Answer")
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")]
Player = Annotated[str | None, typer.Option("--player", help="Of this player.")]
Completed = Annotated[
    bool | None, typer.Option("--completed/--active", help="Complete ones alone, or the others.")
]
Difficulty = Annotated[str | None, typer.Option("--difficulty", help="Of this difficulty.")]
_MOMENT: Final[dict[str, Any]] = {"parser": parse_moment, "metavar": "TIME"}
StartedAfter = Annotated[
    datetime | None, typer.Option(help="Started then or later: RFC 3339, or 2h, 1d ago.", **_MOMENT)
]
StartedBefore = Annotated[datetime | None, typer.Option(help="Started then or earlier.", **_MOMENT)]
Sort = Annotated[SortKey, typer.Option("--sort", help="createdAt, startedAt, updatedAt or completedAt.")]
Order = Annotated[SortOrder, typer.Option("--order", help="asc or desc.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]

app = typer.Typer(no_args_is_help=True, help="Read sessions through a worker, as an engine does.")


@app.command("get")
def get_session(
    session_id: Annotated[str, typer.Argument(help="The session's id.")],
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    timeout: Timeout = 5.0,
) -> None:
    """Print one record as JSON; exit status 1 when there is no such session."""
    record = _ask(locals(), lambda store: store.read(session_id))
    if record is None:
        raise SessionStoreError(f"there is no session {session_id}")
    print_json(_document_of(record))


@app.command("query")
def query_sessions(
    player: Player = None,
    completed: Completed = None,
    difficulty: Difficulty = None,
    started_after: StartedAfter = None,
    started_before: StartedBefore = None,
    sort: Sort = "createdAt",
    order: Order = "desc",
    limit: Limit = 20,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    timeout: Timeout = 5.0,
    as_json: AsJson = False,
) -> None:
    """Print a line for each session that passes the filter, in order; with --json whole records."""
    given, options = locals(), QueryOptions(sort_by=sort, sort_order=order, limit=limit)
    page = _ask(given, lambda store: store.query(filter_of(given), options))
    if as_json:
        print_json([_document_of(record) for record in page.records])
    else:
        print_table(
            ("session", "player", "started", "completed", "revision"), list(map(_line_of, page.records))
        )


@app.command("count")
def count_sessions(
    player: Player = None,
    completed: Completed = None,
    difficulty: Difficulty = None,
    started_after: StartedAfter = None,
    started_before: StartedBefore = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    timeout: Timeout = 5.0,
    as_json: AsJson = False,
) -> None:
    """Print how many sessions pass the filter."""
    given = locals()
    count = _ask(given, lambda store: store.count(filter_of(given)))
    print_json({"count": count}) if as_json else print(count)


def print_stats(
    player: Player = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    timeout: Timeout = 5.0,
    as_json: AsJson = False,
) -> None:
    """Print the totals of all sessions, or of one player's."""
    stats = _ask(locals(), lambda store: store.stats(player)).model_dump(by_alias=True)
    _print_facts(stats, as_json=as_json)


def print_health(
    amqp_url: AmqpUrl = None, prefix: Prefix = None, timeout: Timeout = 5.0, as_json: AsJson = False
) -> None:
    """Print how the worker that answers is; exit status 1 when it is not well, 75 when none answers."""
    health = _ask(locals(), lambda store: store.health())
    _print_facts(health.model_dump(by_alias=True), as_json=as_json)
    if not health.ok:
        raise typer.Exit(1)


def _ask(given: dict[str, Any], ask: Callable[[SessionStore], Awaitable[Answer]]) -> Answer:
    """Return the answer; raises the command line's errors in place of the client's."""
    flags = {name: given[name] for name in ("amqp_url", "prefix")}
    settings = load(flags, required=("AMQP_URL",)).settings

    async def work() -> Answer:
        url, keys = settings.amqp_url.get_secret_value(), settings.signing_keys.get_secret_value()
        async with SessionStore(
            url, prefix=settings.prefix, source="session-store command", timeout=given["timeout"], keys=keys
        ) as store:
            return await ask(store)

    try:
        return run_to_end(work())
    except (Misconfigured, Untrusted) as error:
        raise ConfigurationError(str(error)) from error
    except BadRequest as error:
        raise typer.BadParameter(str(error)) from error
    except (TimedOut, Unavailable) as error:
        raise UnavailableError(str(error)) from error
    except ClientError as error:
        raise SessionStoreError(str(error)) from error


def filter_of(given: dict[str, Any]) -> Filter:
    """Return the filter that a command's options say."""
    names = {"player": "player_id"}
    wanted = ("player", "completed", "difficulty", "started_after", "started_before")
    found = {names.get(name, name): given[name] for name in wanted if given[name] is not None}
    return Filter.model_validate(found)


def _document_of(record: Record) -> object:
    return orjson.loads(record.model_dump_json(by_alias=True, exclude_unset=True))


def _line_of(record: Record) -> tuple[str, ...]:
    session = record.session
    completed = format_timestamp(session.completed_at) if session.completed_at else ""
    started = format_timestamp(session.started_at)
    return session.session_id, session.player_id, started, completed, str(record.revision)


def _print_facts(facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_table(
            ("what", "value"), [(name, "" if value is None else str(value)) for name, value in facts.items()]
        )
