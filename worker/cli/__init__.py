"""The command line. Results go to stdout, logs and errors to stderr.

Exit codes: 0 fine, 1 failed, 2 wrong use, 75 a server is away (try again later), 78 wrong configuration.
"""

import sys
from typing import Final, NoReturn

import typer

from worker.cli.console import warn
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
EXIT_TRY_LATER: Final = 75
EXIT_CONFIGURATION: Final = 78

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def describe() -> None:
    """Store session events from RabbitMQ in PostgreSQL, and answer questions about the sessions."""


app.command("run")(run)
app.command("migrate")(migrate_database)
app.command("roles")(make_roles)
app.command("topology")(declare_or_check)
app.command("config")(print_config)
app.command("version")(print_version)
app.command("doctor")(examine)
app.command("top")(watch)
app.command("stats")(print_stats)
app.command("health")(print_health)
app.command("import")(import_sessions)
app.command("export")(export_sessions)
app.command("retain")(retain)
app.command("erase")(erase)
app.add_typer(partition, name="partition")
app.add_typer(sessions, name="sessions")
app.add_typer(dead, name="dead")


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    hush_libraries()
    try:
        app()
    except ConfigurationError as error:
        _fail(error, EXIT_CONFIGURATION)
    except UnavailableError as error:
        _fail(error, EXIT_TRY_LATER)
    except SessionStoreError as error:
        _fail(error, EXIT_FAILED)


def _fail(error: Exception, code: int) -> NoReturn:
    """Say what is wrong; where a server is away, a note of the error says which it was, and as whom."""
    where = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
    for line in str(error).splitlines() or [type(error).__name__]:
        warn(f"{where}{line}")
    if where or isinstance(error, StorageUnavailable | BrokerUnavailable):
        warn("session-store doctor, with the same settings, looks into it and says what to do")
    sys.exit(code)
