"""`doctor`: what is wrong with an installation, and what mends it."""

from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from worker.cli.console import print_json, run_to_end
from worker.cli.dead.text import printable
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.doctor.run import Terms, examine_installation
from worker.errors import ConfigurationError
from worker.finding import Finding, State
from worker.observability.logs import configure_logs
from worker.settings.config import Loaded, load

STYLES: Final = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.WRONG: "bold red",
    State.SKIPPED: "bright_black",
}
WIDTH: Final = 23
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="What `rabbitmqctl list_policies --formatter json` printed; - is stdin."
    ),
]
EXIT_WRONG: Final = 1
EXIT_CONFIGURATION: Final = 78


def examine(
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    pool_size: Annotated[int | None, typer.Option(help="Most connections a worker has.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds a check may take.")] = 5.0,
    long_after: Annotated[
        float, typer.Option(min=0, help="Seconds after which a transaction is long.")
    ] = 60.0,
    security: Annotated[
        bool,
        typer.Option("--security", help="Also whether the servers keep this login to what a worker needs."),
    ] = False,
    policies: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with an installation and what mends it; exit status 1 when something is. Changes nothing."""
    given = locals()
    configure_logs("error", "auto")
    flags = {name: given[name] for name in ("database_url", "amqp_url", "prefix", "pool_size")}
    report = Report(as_json=as_json)
    terms = Terms(version("session-store"), timeout, long_after, security, policies)
    run_to_end(examine_installation(_load(flags), terms, report.tell))
    report.finish()
    if status := report.status:
        raise typer.Exit(status)


class Report:
    """What was found: a line as soon as it is, or one JSON document at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._console = None if as_json else Console(highlight=False, soft_wrap=True)
        self._found: dict[str, Finding] = {}

    def tell(self, name: str, finding: Finding) -> None:
        """Take what a check found."""
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
        wrong = [name for name, finding in self._found.items() if finding.state is State.WRONG]
        if any(name.startswith("settings.") for name in wrong):
            return EXIT_CONFIGURATION
        return EXIT_WRONG if wrong else 0


def _load(flags: Mapping[str, object]) -> Loaded | str:
    try:
        return load(flags, required=())
    except ConfigurationError as error:
        return str(error)


def _print(console: Console, name: str, finding: Finding) -> None:
    state = Text(finding.state.ljust(9), STYLES[finding.state])
    console.print(state, Text(f"{name.ljust(WIDTH)}{_line(finding.said)}"), sep="")
    if finding.mend:
        console.print(Text(f"{' ' * 9}{'to mend:'.rjust(WIDTH - 1)} {_line(finding.mend)}"))


def _line(text: str) -> str:
    return printable("; ".join(text.splitlines()))


def _document_of(name: str, finding: Finding) -> dict[str, str | None]:
    return {"check": name, "state": finding.state, "said": finding.said, "mend": finding.mend or None}
