"""The progress of a long command on stderr: a bar on a terminal, a line every five seconds elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from worker.cli.console import warn

BAR_SECONDS: Final = 0.25
LINE_SECONDS: Final = 5.0


class Extent(NamedTuple):
    """How many are done, and which part of the whole; None where that is not known."""

    done: int
    part: float | None


Measure = Callable[[], Extent]
Show = Callable[[Extent, float], None]


@asynccontextmanager
async def progress(verb: str, unit: str, measure: Measure) -> AsyncIterator[None]:
    """Show the progress while the block runs."""
    console = Console(stderr=True)
    with _bar(verb, unit, console) if console.is_terminal else _lines(verb, unit) as (show, every):
        task = asyncio.create_task(_keep_showing(measure, show, every))
        try:
            yield
        finally:
            task.cancel()


async def _keep_showing(measure: Measure, show: Show, every: float) -> None:
    started = monotonic()
    while True:
        await asyncio.sleep(every)
        show(measure(), monotonic() - started)


@contextmanager
def _bar(verb: str, unit: str, console: Console) -> Iterator[tuple[Show, float]]:
    columns = (TextColumn(verb), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(verb, total=None, text="")

        def show(extent: Extent, seconds: float) -> None:
            total = None if extent.part is None else 1.0
            bar.update(task, total=total, completed=extent.part or 0, text=_describe(extent, unit, seconds))

        yield show, BAR_SECONDS


@contextmanager
def _lines(verb: str, unit: str) -> Iterator[tuple[Show, float]]:
    yield lambda extent, seconds: warn(f"{verb} {_describe(extent, unit, seconds)}"), LINE_SECONDS


def _describe(extent: Extent, unit: str, seconds: float) -> str:
    text = f"{extent.done:,} {unit}, {extent.done / seconds:,.0f}/s"
    if not extent.part:
        return text
    left = int(seconds * (1 - min(extent.part, 1)) / extent.part)
    return f"{extent.part:.0%}: {text}, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
