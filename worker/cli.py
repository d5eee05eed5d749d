"""The command line. Results go to stdout, logs and errors to stderr.

Exit codes: 0 fine, 1 failed, 2 wrong use, 75 a server is away (try again later), 78 wrong configuration.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer

from contracts.topology import Topology
from worker.app import run_worker
from worker.broker.admin import check_topology, declare_topology
from worker.config import Settings, load, mask, variables
from worker.errors import ConfigurationError, SessionStoreError, UnavailableError
from worker.store.migrations import MigrationStatus, migrate, status
from worker.telemetry import configure_logs

EXIT_FAILED: Final = 1
EXIT_TRY_LATER: Final = 75
EXIT_CONFIGURATION: Final = 78

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; DATABASE_URL when not given.")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; AMQP_URL when not given.")]
Prefix = Annotated[str | None, typer.Option(help="Before every queue and exchange name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.callback()
def describe() -> None:
    """Store session events from RabbitMQ in PostgreSQL, and answer questions about the sessions."""


@app.command()
def run(
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    batch_size: Annotated[int | None, typer.Option(help="Most events in a transaction.")] = None,
    prefetch: Annotated[int | None, typer.Option(help="Unacknowledged events a queue.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console.")] = None,
) -> None:
    """Run a worker until SIGTERM: store events, answer requests."""
    loaded = load(dict(locals()))
    configure_logs(loaded.settings.log_level, loaded.settings.log_format)
    for name, meant in loaded.unknown.items():
        _warn(f"nobody reads {name}" + (f"; is {meant} meant?" if meant else ""))
    _run(run_worker(loaded.settings))


@app.command("migrate")
def migrate_command(
    database_url: DatabaseUrl = None,
    show_status: Annotated[
        bool, typer.Option("--status", help="Say what is applied; change nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be applied; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema this release needs."""
    dsn = load(
        {"database_url": database_url}, required=["DATABASE_URL"]
    ).settings.database_url.get_secret_value()
    if show_status or dry_run:
        _print_status(_run(status(dsn)), as_json=as_json)
        return
    applied = _run(migrate(dsn))
    if as_json:
        _print_json({"applied": applied})
    else:
        print(f"applied {', '.join(f'{v:04}' for v in applied)}" if applied else "up to date")


@app.command()
def topology(
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare; change nothing; exit 1 when it differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Declare the exchanges, queues and bindings, or check them."""
    settings = load({"amqp_url": amqp_url, "prefix": prefix}, required=["AMQP_URL"]).settings
    url, names = settings.amqp_url.get_secret_value(), Topology(settings.prefix)
    if not check:
        _run(declare_topology(url, names))
    differences = _run(check_topology(url, names))
    listed = [thing.name for thing in names.exchanges] + [thing.name for thing in names.queues]
    things = {name: differences.get(name, "ok") for name in listed}
    if as_json:
        _print_json(things)
    else:
        _print_table(("name", "state"), [(name, str(state)) for name, state in things.items()])
    if differences:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def config(as_json: AsJson = False) -> None:
    """Print the settings in force and where each came from; secrets are masked."""
    loaded = load(required=())
    shown = {
        name: (_shown(loaded.settings, field, secret), loaded.origins.get(name, "default"))
        for name, (field, secret) in variables().items()
    }
    if as_json:
        _print_json({name: {"value": value, "origin": origin} for name, (value, origin) in shown.items()})
    else:
        _print_table(("variable", "value", "from"), [(n, v or "not set", o) for n, (v, o) in shown.items()])
    for name, meant in loaded.unknown.items():
        _warn(f"nobody reads {name}" + (f"; is {meant} meant?" if meant else ""))


@app.command("version")
def print_version() -> None:
    """Print the release."""
    print(version("session-store"))


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        app()
    except ConfigurationError as error:
        _fail(error, EXIT_CONFIGURATION)
    except UnavailableError as error:
        _fail(error, EXIT_TRY_LATER)
    except SessionStoreError as error:
        _fail(error, EXIT_FAILED)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop; of the errors of parallel tasks the first is raised alone."""
    try:
        return _runner()(work)
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


def _runner() -> Callable[[Coroutine[Any, Any, Result]], Result]:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run
    return uvloop.run


def _shown(settings: Settings, field: str, secret: bool) -> str:
    value = getattr(settings, field)
    return mask(value.get_secret_value()) if secret else str(value)


def _print_status(found: MigrationStatus, *, as_json: bool) -> None:
    states = {
        "applied": found.applied,
        "pending": found.pending,
        "ahead": found.ahead,
        "altered": found.altered,
    }
    if as_json:
        _print_json(states)
        return
    for state, versions in states.items():
        if versions or state in ("applied", "pending"):
            print(f"{state}: {', '.join(f'{v:04}' for v in versions) or 'none'}")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, every value whole: a pipe has no width and a terminal wraps."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _warn(message: str) -> None:
    print(f"session-store: {message}", file=sys.stderr)


def _fail(error: Exception, code: int) -> NoReturn:
    for line in str(error).splitlines() or [type(error).__name__]:
        _warn(line)
    sys.exit(code)
