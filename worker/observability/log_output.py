"""The stream behind the log: its writes never wait and never fail; a thread passes whole lines to the descriptor.

A line goes to a disk that may be full, to a pipe whose reader may be gone, or to one whose reader may have stopped.
None of these may stop a worker.
"""

import atexit
import io
import os
import select
import sys
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final

from worker.settings.journal import STDERR, priority_prefix, stderr_is_journal

MAX_LINES: Final = 1000
MAX_BYTES: Final = 1024 * 1024
EXIT_SECONDS: Final = 1.0
ERROR_PREFIX: Final = priority_prefix("error").encode()
"""The journal's priority of output that is no log line, such as a traceback (sd-daemon(3))."""

DescribeDropped = Callable[[int], str]
"""Returns the line that says how many lines were dropped."""


def _describe_plainly(count: int) -> str:
    return f"session-store: {count} log lines could not be written"


class LogOutput(io.TextIOBase):
    """A text stream over a descriptor, with a queue of at most 1,000 lines and 1 MiB.

    A line that the queue has no room for, or that the descriptor refuses, is dropped and counted. The first line
    that can be written again is followed by one of `describe_dropped`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._changed = Condition()
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._unfinished = ""
        self._is_busy = False
        self._unreported = 0
        self.dropped = 0
        self.describe_dropped: DescribeDropped = _describe_plainly
        self.is_journal = False
        Thread(target=self._run, name="log", daemon=True).start()

    def write(self, text: str) -> int:
        """Take the text; every whole line of it is written soon, or counted in `dropped`."""
        with self._changed:
            *lines, self._unfinished = (self._unfinished + text).split("\n")
            for line in lines:
                self._put(f"{line}\n".encode(errors="backslashreplace"))
            self._changed.notify_all()
        return len(text)

    def drain(self, seconds: float) -> bool:
        """Wait until every line is written or dropped, at most so many seconds; return whether that is so."""
        if self._unfinished:
            self.write("\n")
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._is_busy, seconds)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True

    def _put(self, line: bytes) -> None:
        if self.is_journal and not line.startswith(b"<"):
            line = ERROR_PREFIX + line
        if len(self._lines) >= MAX_LINES or self._size + len(line) > MAX_BYTES:
            self._drop()
        else:
            self._lines.append(line)
            self._size += len(line)

    def _drop(self) -> None:
        self.dropped += 1
        self._unreported += 1

    def _run(self) -> None:
        while True:
            line = self._take()
            if not _write(self._descriptor, line):
                with self._changed:
                    self._drop()
            elif self._unreported and not self._lines:
                self._report()
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _take(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._lines)
            self._is_busy = True
            line = self._lines.popleft()
            self._size -= len(line)
            return line

    def _report(self) -> None:
        count = self._unreported
        if _write(self._descriptor, f"{self.describe_dropped(count)}\n".encode()):
            with self._changed:
                self._unreported -= count


def guard_stderr() -> LogOutput:
    """Have everything that this process says on stderr go through a `LogOutput`, which this returns.

    Tracebacks and warnings of Python are included. The end of the process waits 1 s for the last lines.
    """
    output = LogOutput(STDERR)
    output.is_journal = stderr_is_journal()
    sys.stderr = output
    atexit.register(output.drain, EXIT_SECONDS)
    return output


def _write(descriptor: int, line: bytes) -> bool:
    """Write the line, and return whether that was possible; waits as long as the descriptor lets it wait."""
    rest = memoryview(line)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another program that has this descriptor too made it non-blocking
            select.select((), (descriptor,), ())
        except OSError:
            return False
    return True
