"""The status page: the facts that a person on call needs, and no content of any session."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Final

from contracts.topology import DEAD_QUEUE, DELETE_KEY, WRITE_KEY
from worker.observability.health import Health
from worker.observability.history import History, total, waiting_in
from worker.observability.http.plot import render_plot, show_number
from worker.observability.log_dedup import Deduplicator
from worker.observability.metrics import PARTS, PREFIX, Series
from worker.observability.worker_view import WorkerView

STYLE: Final = (files("worker.observability.http") / "style.css").read_text(encoding="utf-8")
REFRESH_SECONDS: Final = 10
PLOTS: Final = (
    ("Events settled", "events", "/s"),
    ("Requests answered", "requests", "/s"),
    ("From publish to commit, mean", "lag", "s"),
    ("Events in a batch, mean", "batch", ""),
    ("Events waiting in the queues", "waiting", ""),
    ("Dead letters", "dead", ""),
)
HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    '<title>Session store</title><link rel="stylesheet" href="style.css"></head><body><main>'
)


def render_page(view: WorkerView) -> str:
    """Return the page as HTML that needs nothing but `style.css`."""
    series = view.metrics.read()
    return (
        HEAD
        + _header(view.health, series)
        + _tiles(view.history, series)
        + f'<div class="cards">{"".join(_plots(view.history))}</div>'
        + f'<div class="cards">{_parts(view.health)}{_counts("Outcomes", series, "events_total")}'
        + f"{_counts('Dead letters by code', series, 'dead_letters_total', hide=True)}</div>"
        + _problems(view.deduplicator)
        + "</main></body></html>"
    )


def _header(health: Health, series: Series) -> str:
    state = '<span class="good">ready</span>' if health.is_ready else '<span class="bad">not ready</span>'
    versions = [dict(labels)["version"] for name, labels in series if name == f"{PREFIX}build_info"]
    now = datetime.now(UTC)
    start = series.get(("process_start_time_seconds", ()), now.timestamp())
    up = int(now.timestamp() - start)
    said = f"{', '.join(versions)}, up {up // 3600} h {up // 60 % 60} min, {now:%Y-%m-%d %H:%M:%S} UTC"
    return f'<header><h1>Session store</h1>{state}<span class="faint">{escape(said)}</span></header>'


def _tiles(history: History, series: Series) -> str:
    last = history.samples[-1] if history.samples else None
    tiles = (
        ("events a second", last.events if last else 0.0),
        ("requests a second", last.requests if last else 0.0),
        ("events in flight", total(series, "events_in_flight")),
        ("s, oldest event", round(total(series, "oldest_event_seconds"), 2)),
        ("waiting in the queues", waiting_in(series, WRITE_KEY, DELETE_KEY)),
        ("dead letters", waiting_in(series, DEAD_QUEUE)),
        ("connections in use", _used(series)),
        ("reconnects", total(series, "broker_reconnects_total")),
    )
    shown = (
        f'<section><b>{show_number(value)}</b><span class="faint">{name}</span></section>'
        for name, value in tiles
    )
    return f'<div class="tiles">{"".join(shown)}</div>'


def _used(series: Series) -> float:
    return sum(
        value
        for (name, labels), value in series.items()
        if name == f"{PREFIX}pool_connections" and ("state", "used") in labels
    )


def _plots(history: History) -> Iterable[str]:
    return (render_plot(title, history.values(field), unit) for title, field, unit in PLOTS)


def _parts(health: Health) -> str:
    reasons = health.not_ready_reasons()
    rows = [f"<tr><th>{part}</th><td>{_state(reasons.get(part))}</td></tr>" for part in (*PARTS, "loop")]
    return f"<section><h2>Parts</h2><table>{''.join(rows)}</table></section>"


def _state(reason: str | None) -> str:
    return f'<span class="bad">{escape(reason)}</span>' if reason else '<span class="good">fine</span>'


def _counts(title: str, series: Series, metric: str, *, hide: bool = False) -> str:
    found = [(labels[0][1], value) for (name, labels), value in series.items() if name == PREFIX + metric]
    rows = "".join(
        f'<tr><th>{escape(word)}</th><td class="number">{value:,.0f}</td></tr>'
        for word, value in found
        if value or not hide
    )
    body = f"<table>{rows}</table>" if rows else '<span class="faint">none since the start</span>'
    return f"<section><h2>{title}</h2>{body}</section>"


def _problems(deduplicator: Deduplicator) -> str:
    rows = "".join(
        f'<tr><td class="faint"><time>{escape(line.at)}</time></td><td class="{"bad" if line.is_error else ""}">'
        f"{escape(line.event)}</td><td>{escape(line.reason)}</td>"
        f'<td class="number">{line.count}</td></tr>'
        for line in reversed(deduplicator.problems)
    )
    body = f"<table>{rows}</table>" if rows else '<span class="faint">none since the start</span>'
    return f"<section><h2>Last warnings and errors</h2>{body}</section>"
