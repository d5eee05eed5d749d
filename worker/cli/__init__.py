"""The command line: a new command is a module here and a line below.

Results go to stdout, logs and errors to stderr. Exit codes: 0 success, 1 failure, 2 wrong use, 75 a server is away
(try again later), 78 wrong configuration.
"""

import sys
from typing import Annotated, Final, NoReturn

import typer

from worker.cli.console import complain, warn
from worker.cli.dead import app as dead
from worker.cli.doctor import examine
from worker.cli.erasing import erase
from worker.cli.exporting import export_sessions
from worker.cli.importing import import_sessions
from worker.cli.partition import app as partition
from worker.cli.retaining import retain
from worker.cli.roles import make_roles
from worker.cli.servers import declare_or_check, migrate_database
from worker.cli.sessions import app as sessions
from worker.cli.sessions import print_health, print_stats
from worker.cli.top import watch
from worker.cli.worker import print_config, print_version, run
from worker.errors import (
    BrokerUnavailable,
    ConfigurationError,
    SessionStoreError,
    StorageUnavailable,
    UnavailableError,
)
from worker.observability.logs import hush_libraries

EXIT_FAILED: Final = 1
EXIT_USE: Final = 2
EXIT_TRY_LATER: Final = 75
EXIT_CONFIGURATION: Final = 78

DATA: Final = "Data"
ASK: Final = "Ask a worker"
ABOUT: Final = "About this program"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
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


app.command("run")(run)
app.command("migrate")(migrate_database)
app.command("roles")(make_roles)
app.command("topology")(declare_or_check)
app.command("doctor")(examine)
app.add_typer(dead, name="dead")
app.command("import", rich_help_panel=DATA)(import_sessions)
app.command("export", rich_help_panel=DATA)(export_sessions)
app.command("retain", rich_help_panel=DATA)(retain)
app.command("erase", rich_help_panel=DATA)(erase)
app.add_typer(partition, name="partition", rich_help_panel=DATA)
app.add_typer(sessions, name="sessions", rich_help_panel=ASK)
app.command("stats", rich_help_panel=ASK)(print_stats)
app.command("health", rich_help_panel=ASK)(print_health)
app.command("top", rich_help_panel=ASK)(watch)
app.command("config", rich_help_panel=ABOUT)(print_config)
app.command("version", rich_help_panel=ABOUT)(print_version)


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    hush_libraries()
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        _fail_use(error)
    except typer.Abort:
        _fail(RuntimeError("stopped"), EXIT_FAILED)
    except ConfigurationError as error:
        _fail(error, EXIT_CONFIGURATION)
    except UnavailableError as error:
        _fail(error, EXIT_TRY_LATER)
    except SessionStoreError as error:
        _fail(error, EXIT_FAILED)


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
        warn("run session-store doctor with the same settings: it finds the cause and says what to do")
    sys.exit(code)
