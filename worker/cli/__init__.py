"""The command line: a new command is a module here and a line of `COMMANDS`.

Results go to stdout, logs and errors to stderr. Exit codes: 0 success, 1 failure, 2 wrong use, 75 a server is away
(try again later), 78 wrong configuration.
"""

import sys
from contextlib import suppress
from typing import Annotated, Final, NoReturn

import typer

from worker.cli.console import complain, warn
from worker.cli.lazy import CommandPlace, lazy_group
from worker.cli.streams import OutputFailed, drop_output, finish_output, prepare_streams
from worker.errors import (
    BrokerRefused,
    BrokerUnavailable,
    ConfigurationError,
    DatabaseRefused,
    SessionStoreError,
    StorageUnavailable,
    UnavailableError,
)

EXIT_FAILED: Final = 1
EXIT_USE: Final = 2
EXIT_TRY_LATER: Final = 75
EXIT_CONFIGURATION: Final = 78

DATA: Final = "Data"
ASK: Final = "Ask a worker"
ABOUT: Final = "About this program"

COMMANDS: Final = {
    "run": CommandPlace("worker.cli.worker", "run"),
    "migrate": CommandPlace("worker.cli.migrating", "migrate_database"),
    "roles": CommandPlace("worker.cli.roles", "make_roles"),
    "topology": CommandPlace("worker.cli.topology", "declare_or_check"),
    "doctor": CommandPlace("worker.cli.doctor", "examine"),
    "dead": CommandPlace("worker.cli.dead", "app"),
    "import": CommandPlace("worker.cli.importing", "import_sessions", DATA),
    "export": CommandPlace("worker.cli.exporting", "export_sessions", DATA),
    "retain": CommandPlace("worker.cli.retaining", "retain", DATA),
    "erase": CommandPlace("worker.cli.erasing", "erase", DATA),
    "partition": CommandPlace("worker.cli.partition", "app", DATA),
    "sessions": CommandPlace("worker.cli.sessions", "app", ASK),
    "stats": CommandPlace("worker.cli.sessions", "print_stats", ASK),
    "health": CommandPlace("worker.cli.sessions", "print_health", ASK),
    "top": CommandPlace("worker.cli.top", "watch", ASK),
    "config": CommandPlace("worker.cli.config", "print_config", ABOUT),
    "version": CommandPlace("worker.cli.version", "print_version", ABOUT),
}

app = typer.Typer(
    cls=lazy_group(COMMANDS), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(asked: bool) -> None:
    if asked:
        from worker.cli.version import print_version  # imported here: most commands do not print it

        print_version()
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the release.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Store session events from RabbitMQ in PostgreSQL, and answer requests for the sessions."""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    prepare_streams()
    try:
        _run()
    except OutputFailed as error:
        drop_output()
        warn(f"{error.strerror}")
        sys.exit(EXIT_FAILED)
    except typer.TyperException as error:
        _fail_use(error)
    except typer.Abort:
        _fail(RuntimeError("stopped"), EXIT_FAILED)
    except (ConfigurationError, DatabaseRefused, BrokerRefused) as error:
        _fail(error, EXIT_CONFIGURATION)
    except UnavailableError as error:
        _fail(error, EXIT_TRY_LATER)
    except SessionStoreError as error:
        _fail(error, EXIT_FAILED)


def _run() -> NoReturn:
    """Run the command, and write its results before the process ends; a pipe without a reader is no error."""
    try:
        status = app(standalone_mode=False)
    except SystemExit as end:
        status = end.code
    try:
        finish_output()
    except BrokenPipeError:
        status = EXIT_FAILED
    sys.exit(status)


def _fail_use(error: typer.TyperException) -> NoReturn:
    """Print the wrong use on one line, for the journal too, and exit; a page of help stays a page."""
    context = getattr(error, "ctx", None)
    message: str = getattr(error, "format_message", error.__str__)()
    if "\n" in message or not message:
        print(message, file=sys.stderr)
    else:
        complain(f"{message}; see {context.command_path} --help" if context else message)
    sys.exit(EXIT_USE)


def _fail(error: Exception, code: int) -> NoReturn:
    """Print the error and exit; a note of the error names the server that is away, and the login."""
    where = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
    for line in str(error).splitlines() or [type(error).__name__]:
        complain(f"{where}{line}")
    if where or isinstance(error, StorageUnavailable | BrokerUnavailable):
        warn("run session-store doctor with the same settings: it finds the cause and prints the fix")
    with suppress(OSError):
        finish_output()
    sys.exit(code)
