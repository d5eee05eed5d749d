"""The output of the demo; plain text where stdout is no terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence

from aio_pika.abc import AbstractIncomingMessage
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.demo.verdict import Verdict

Json = Mapping[str, object]


class Report:
    """Prints to a console, by default to stdout."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def step(self, text: str) -> None:
        """Print the present step."""
        self._console.print(f"[bold]>[/bold] {text}")

    def progress(self) -> Progress:
        """Return a progress bar, which only a terminal shows."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self._console, disable=not self._console.is_terminal)

    def outcomes(self, confirmations: Sequence[Json]) -> None:
        """Print the number of events with each outcome."""
        self._console.print()
        counts = Counter(str(confirmation["outcome"]) for confirmation in confirmations)
        self._table("Outcomes", ("outcome", "events"), [(word, str(n)) for word, n in counts.most_common()])

    def session(self, record: Json) -> None:
        """Print the main fields of one session."""
        session = record["session"]
        assert isinstance(session, dict)  # noqa: S101 - the contract's Record
        encounter = session["encounter"]
        rows = [
            ("player", session["playerId"]),
            ("encounter", f"{encounter['title']} ({encounter['difficulty']})"),
            (
                "objectives done",
                f"{len(session['state']['objectivesCompleted'])} of {len(encounter['objectives'])}",
            ),
            ("started", session["startedAt"]),
            ("completed", session.get("completedAt") or "not yet"),
            ("revision", record["revision"]),
        ]
        self._table(f"Session {session['sessionId']}", ("", ""), [(name, str(value)) for name, value in rows])

    def page(self, title: str, records: Sequence[Json]) -> None:
        """Print some sessions, a line each."""
        rows = []
        for record in records:
            session = record["session"]
            assert isinstance(session, dict)  # noqa: S101 - the contract's Record
            rows.append((session["sessionId"], session["encounter"]["title"], session["startedAt"]))
        self._table(title, ("session", "encounter", "started"), rows)

    def figures(self, count: Json, stats: Json) -> None:
        """Print a count and the statistics."""
        rows = [
            ("hard and completed", str(count["count"])),
            ("all", str(stats["totalSessions"])),
            ("completed", str(stats["completedSessions"])),
            ("active", str(stats["activeSessions"])),
            ("average time to complete", f"{stats['avgCompletionTimeSeconds']:.0f} s"),
        ]
        self._table("Count and statistics", ("sessions", ""), rows)

    def dead_letters(self, letters: Sequence[AbstractIncomingMessage]) -> None:
        """Print the code and the message of each dead letter."""
        rows = [(str(letter.headers["x-code"]), str(letter.headers["x-message"])) for letter in letters]
        self._table("Dead letters", ("code", "message"), sorted(rows))

    def verdict(self, verdict: Verdict, seconds: float) -> None:
        """Print the verdict, and the differences when there are any."""
        for difference in verdict.differences:
            self._console.print(f"[red]different:[/red] {difference}", soft_wrap=True, markup=True)
        colour, word = ("red", "DIFFERENT") if verdict.differences else ("green", "EQUAL")
        self._console.print(f"[bold {colour}]{word}[/bold {colour}] {verdict}", soft_wrap=True)
        self._console.print(f"[dim]{seconds:.1f} s[/dim]")

    def _table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        named = any(columns)
        table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=named)
        for column in columns:
            table.add_column(column, header_style="dim", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        self._console.print()
