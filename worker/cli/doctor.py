"""`doctor`: the faults of an installation, and their fixes."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from worker import release
from worker.cli.console import print_json, printable, run_to_end
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.doctor.finding import Finding, State
from worker.doctor.run import Scope, examine_installation
from worker.errors import ConfigurationError
from worker.observability.logs import configure_logs
from worker.settings.config import Flags
from worker.settings.loading import Loaded, load

STYLES: Final = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.ERROR: "bold red",
    State.SKIPPED: "bright_black",
}
WIDTH: Final = 23
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Output of `rabbitmqctl list_policies --formatter json`; - reads stdin."
    ),
]
EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 78


def examine(
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    pool_size: Annotated[int | None, typer.Option(help="Maximum of connections of a worker.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds that a check may take.")] = 5.0,
    long_after: Annotated[
        float, typer.Option(min=0, help="Seconds after which a transaction counts as long.")
    ] = 60.0,
    security: Annotated[
        bool,
        typer.Option(
            "--security", help="Also check that the servers restrict this login to the rights of a worker."
        ),
    ] = False,
    policies: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """Find the faults of an installation and print their fixes. Changes nothing. Exit status 1 for an error."""
    configure_logs("error", "auto")
    loaded = _load(
        {"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix, "pool_size": pool_size}
    )
    report = Report(as_json=as_json)
    scope = Scope(release(), timeout, long_after, security, policies)
    run_to_end(examine_installation(loaded, scope, report.add))
    report.finish()
    if status := report.status:
        raise typer.Exit(status)


class Report:
    """The findings: a line as soon as there is one, or one JSON document at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._console = None if as_json else Console(highlight=False, soft_wrap=True)
        self._found: dict[str, Finding] = {}

    def add(self, name: str, finding: Finding) -> None:
        """Take the finding of a check."""
        self._found[name] = finding
        if self._console:
            _print(self._console, name, finding)

    def finish(self) -> None:
        """Leave everything printed."""
        if self._console:
            counts = Counter(finding.state for finding in self._found.values())
            self._console.print(", ".join(f"{counts[state]} {state}" for state in State))
        else:
            print_json([_document_of(name, finding) for name, finding in self._found.items()])

    @property
    def status(self) -> int:
        """The exit status for scripts."""
        failed = [name for name, finding in self._found.items() if finding.state is State.ERROR]
        if any(name.startswith("settings.") for name in failed):
            return EXIT_CONFIGURATION
        return EXIT_FAILED if failed else 0


def _load(flags: Flags) -> Loaded | str:
    try:
        return load(flags, required=())
    except ConfigurationError as error:
        return str(error)


def _print(console: Console, name: str, finding: Finding) -> None:
    state = Text(finding.state.ljust(9), STYLES[finding.state])
    console.print(state, Text(f"{name.ljust(WIDTH)}{_line(finding.message)}"), sep="")
    if finding.fix:
        console.print(Text(f"{' ' * 9}{'fix:'.rjust(WIDTH - 1)} {_line(finding.fix)}"))


def _line(text: str) -> str:
    return printable("; ".join(text.splitlines()))


def _document_of(name: str, finding: Finding) -> dict[str, str | None]:
    return {"check": name, "state": finding.state, "message": finding.message, "fix": finding.fix or None}
