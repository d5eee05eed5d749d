"""`sessions`, `stats` and `health`: ask a worker over the broker, as an engine does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import orjson
import typer

from contracts.client import BadRequest, Misconfigured, ReplyUnverified, SessionStore, TimedOut, Unavailable
from contracts.client import SessionStoreError as ClientError
from contracts.replies import Record
from contracts.requests import QueryOptions, SortKey, SortOrder
from contracts.scalars import format_timestamp
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import (
    AsJson,
    BrokerOptions,
    FilterOptions,
    Player,
    Timeout,
    filter_of,
    grouped_options,
)
from worker.errors import ConfigurationError, SessionStoreError, UnavailableError

Answer = TypeVar("Answer")
Sort = Annotated[SortKey, typer.Option("--sort", help="createdAt, startedAt, updatedAt or completedAt.")]
Order = Annotated[SortOrder, typer.Option("--order", help="asc or desc.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this many sessions.")]

app = typer.Typer(no_args_is_help=True, help="Read sessions through a worker, as an engine does.")


@dataclass(frozen=True, slots=True)
class CallOptions(BrokerOptions):
    """Which installation to ask, and how long to wait."""

    timeout: Timeout = 5.0


@app.command("get")
@grouped_options
def get_session(
    session_id: Annotated[str, typer.Argument(help="The session's id.")], call: CallOptions
) -> None:
    """Print one record as JSON. Exit status 1 when the session does not exist."""
    record = _ask(call, lambda store: store.read(session_id))
    if record is None:
        raise SessionStoreError(f"there is no session {session_id}")
    print_json(_document_of(record))


@app.command("query")
@grouped_options
def query_sessions(
    *,
    wanted: FilterOptions,
    sort: Sort = "createdAt",
    order: Order = "desc",
    limit: Limit = 20,
    call: CallOptions,
    as_json: AsJson = False,
) -> None:
    """Print a line for each session that matches the filter, in order; with --json whole records."""
    options = QueryOptions(sort_by=sort, sort_order=order, limit=limit)
    page = _ask(call, lambda store: store.query(filter_of(wanted), options))
    if as_json:
        print_json([_document_of(record) for record in page.records])
    else:
        print_table(
            ("session", "player", "started", "completed", "revision"), list(map(_line_of, page.records))
        )


@app.command("count")
@grouped_options
def count_sessions(wanted: FilterOptions, call: CallOptions, as_json: AsJson = False) -> None:
    """Print how many sessions match the filter."""
    count = _ask(call, lambda store: store.count(filter_of(wanted)))
    print_json({"count": count}) if as_json else print(count)


@grouped_options
def print_stats(*, player: Player = None, call: CallOptions, as_json: AsJson = False) -> None:
    """Print the totals of all sessions, or of one player's."""
    stats = _ask(call, lambda store: store.stats(player))
    _print_facts(stats.model_dump(by_alias=True), as_json=as_json)


@grouped_options
def print_health(call: CallOptions, as_json: AsJson = False) -> None:
    """Print the health of the worker that answers. Exit status 1 when it is not healthy, 75 when none answers."""
    health = _ask(call, lambda store: store.health())
    _print_facts(health.model_dump(by_alias=True), as_json=as_json)
    if not health.ok:
        raise typer.Exit(1)


def _ask(call: CallOptions, ask: Callable[[SessionStore], Awaitable[Answer]]) -> Answer:
    """Return the answer; raises the command line's errors in place of the client's."""
    settings = load(call.flags(), required=["AMQP_URL"]).settings

    async def work() -> Answer:
        async with SessionStore(
            settings.amqp_url.get_secret_value(),
            prefix=settings.prefix,
            source="session-store command",
            timeout=call.timeout,
            keys=settings.signing_keys.get_secret_value(),
        ) as store:
            return await ask(store)

    try:
        return run_to_end(work())
    except (Misconfigured, ReplyUnverified) as error:
        raise ConfigurationError(str(error)) from error
    except BadRequest as error:
        raise typer.BadParameter(str(error)) from error
    except (TimedOut, Unavailable) as error:
        raise UnavailableError(str(error)) from error
    except ClientError as error:
        raise SessionStoreError(str(error)) from error


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
