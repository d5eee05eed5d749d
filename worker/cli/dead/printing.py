"""Prints while the queue is read, without making the queue wait for whoever reads what is printed."""

import asyncio
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Final, Self

MOST_BLOCKS: Final = 250  # of a page of letters each: some 100 MB at the very most


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, as escapes where the terminal lacks a character."""
    _escape_what_stdout_lacks()
    print("\n".join(lines))


class Printer:
    """Writes to stdout in a thread of its own: a pager that nobody scrolls must not hold the letters.

    Leaving the context waits until everything is printed, and raises what the output raised.
    """

    def __init__(self) -> None:
        self._blocks: Queue[str | None] = Queue(MOST_BLOCKS)
        self._thread = Thread(target=self._write, daemon=True)
        self._failed: OSError | None = None

    @property
    def is_broken(self) -> bool:
        """Whether nobody reads the output any more."""
        return self._failed is not None

    async def print(self, lines: Iterable[str]) -> None:
        """Have the lines printed soon; waits only when the output is very far behind."""
        if block := "".join(f"{line}\n" for line in lines):
            await asyncio.to_thread(self._blocks.put, block)

    async def wait(self) -> None:
        """Return once everything is printed."""
        await asyncio.to_thread(self._blocks.join)

    def __enter__(self) -> Self:
        _escape_what_stdout_lacks()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.put(None)
        self._thread.join()
        if self._failed and error is None:
            raise self._failed

    def _write(self) -> None:
        while (block := self._blocks.get()) is not None:
            try:
                if not self._failed:
                    print(block, end="", flush=True)
            except OSError as error:
                self._failed = error
            self._blocks.task_done()


def _escape_what_stdout_lacks() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
