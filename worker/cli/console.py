"""Runs a command's coroutine, and prints: results to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from worker.settings.journal import stderr_is_journal, with_priority
from worker.startup.termination import EXIT_TERMINATED, cancel_at_sigterm, end_at_sigterm

Result = TypeVar("Result")


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop; of several errors in parallel tasks only the first is raised.

    At SIGTERM the work is cancelled, so that it rolls back and logs out, for which it has 3 s, and the process exits
    with 143.
    """
    from worker.observability.logs import hush_libraries  # imported here: not every command runs a coroutine

    hush_libraries()
    try:
        return _runner()(_until_terminated(work))
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group
    finally:
        end_at_sigterm()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns and every value in full: a pipe has no width and a terminal wraps."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: object) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2))


def warn(message: str) -> None:
    """Print a line to stderr, after the program's name."""
    _say("warning", message)


def complain(message: str) -> None:
    """Print a line that says why the command failed to stderr, after the program's name."""
    _say("error", message)


def printable(text: str) -> str:
    """Return the text on one line, with an escape for every character that is not visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _say(level: str, message: str) -> None:
    line = f"session-store: {message}"
    print(with_priority(level, line) if stderr_is_journal() else line, file=sys.stderr)


async def _until_terminated(work: Coroutine[Any, Any, Result]) -> Result:
    import asyncio

    loop, task, told = asyncio.get_running_loop(), asyncio.ensure_future(work), asyncio.Event()

    def end() -> None:
        told.set()
        task.cancel()

    cancel_at_sigterm(lambda: loop.call_soon_threadsafe(end))
    try:
        return await task
    except asyncio.CancelledError:
        if told.is_set():
            sys.exit(EXIT_TERMINATED)
        raise


def _runner() -> Callable[[Coroutine[Any, Any, Result]], Result]:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        import asyncio

        return asyncio.run
    return uvloop.run
