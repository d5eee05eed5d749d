"""A snapshot as tables: the replicas, the outcomes of events, the queues."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.outcomes import Outcome
from worker.cli.top.figures import POOLS, Figures, Snapshot
from worker.observability.http.plot import show_number

REPLICA_COLUMNS: Final = (
    "replica",
    "events/s",
    "batch",
    "lag s",
    "in flight",
    "oldest s",
    "rpc/s",
    "rpc ms",
    "write pool",
    "read pool",
    "reconnects",
    "MiB",
    "state",
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: its columns and its rows, as text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def draw_sheets(snapshot: Snapshot) -> tuple[Sheet, ...]:
    """Return the sheets of one moment; a replica without figures shows why."""
    replicas = snapshot.replicas.items()
    shown = {url: figures for url, figures in replicas if isinstance(figures, Figures)}
    outcomes = [outcome.value for outcome in Outcome]
    return (
        Sheet(REPLICA_COLUMNS, [_replica(url, figures) for url, figures in replicas]),
        Sheet(
            ("events/s", *outcomes),
            [(url, *(show_number(f.events[name]) for name in outcomes)) for url, f in shown.items()],
        ),
        Sheet(
            ("queue", "waiting", "consumers"),
            [(queue.name, f"{queue.messages:,.0f}", f"{queue.consumers:,.0f}") for queue in snapshot.queues],
        ),
    )


def render(sheets: Sequence[Sheet], note: str) -> RenderableType:
    """Return the sheets for a terminal."""
    parts: list[RenderableType] = []
    for sheet in sheets:
        if sheet.rows:
            parts += [_table(sheet), ""]
    return Group(*parts, Text(note, "bright_black"))


def _replica(url: str, figures: Figures | str) -> tuple[str, ...]:
    if isinstance(figures, str):
        return (url, *("-" for _ in REPLICA_COLUMNS[2:]), f"no answer: {figures}")
    return (
        url,
        show_number(sum(figures.events.values())),
        _number(figures.batch),
        _number(figures.lag),
        f"{figures.in_flight:,.0f}",
        show_number(figures.oldest),
        show_number(figures.requests),
        _number(None if figures.latency is None else figures.latency * 1000),
        *(f"{figures.pools[pool][0]:.0f} of {figures.pools[pool][1]:.0f}" for pool in POOLS),
        f"{figures.reconnects:,.0f}",
        _number(None if figures.memory is None else figures.memory / 2**20),
        figures.state,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else show_number(value)


def _table(sheet: Sheet) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, column in enumerate(sheet.columns):
        table.add_column(column, justify="left" if at == 0 or column == "state" else "right")
    for row in sheet.rows:
        *cells, last = row
        table.add_row(*cells, Text(last, _style(last)))
    return table


def _style(cell: str) -> str:
    if cell == "ready":
        return "green"
    return "bold red" if cell.startswith(("not ready", "no answer")) else ""
