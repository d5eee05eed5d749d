"""Plots as SVG, without a script."""

from collections.abc import Sequence
from html import escape
from typing import Final

from worker.observability.history import SAMPLE_SECONDS

WIDTH: Final = 360
HEIGHT: Final = 80
FEWEST: Final = 31  # samples that fill the width: five minutes, until there are more


def render_plot(title: str, values: Sequence[float], unit: str) -> str:
    """Return a figure of the values, at most an hour of them, the newest at the right."""
    top = max(values, default=0.0)
    points = _points_of(values, top)
    line = f'<polyline points="{points}"/>' if points else ""
    first = points.partition(",")[0]
    area = f'<polygon points="{first},{HEIGHT} {points} {WIDTH},{HEIGHT}"/>' if points else ""
    minutes = round((max(len(values), FEWEST) - 1) * SAMPLE_SECONDS / 60)
    said = f"{show_number(values[-1])} {unit}" if values else "no sample yet"
    return (
        f"<figure><figcaption><span>{escape(title)}</span><b>{escape(said)}</b></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}, the last hour">{area}{line}</svg>'
        f'<div class="axis faint"><span>{minutes} min ago</span><span>most {show_number(top)} {escape(unit)}</span>'
        f"<span>now</span></div></figure>"
    )


def show_number(value: float) -> str:
    """Return a number with about three digits that matter."""
    if value == 0 or value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _points_of(values: Sequence[float], top: float) -> str:
    scale = (HEIGHT - 4) / (top or 1.0)
    step = WIDTH / (max(len(values), FEWEST) - 1)
    start = WIDTH - (len(values) - 1) * step
    return " ".join(
        f"{start + at * step:.1f},{HEIGHT - 1 - value * scale:.1f}" for at, value in enumerate(values)
    )
