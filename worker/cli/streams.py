"""The standard streams of a command: none is closed, and results that cannot be written are an error."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, cast

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ESCAPE: Final = "backslashreplace"


class OutputFailed(OSError):
    """The results could not be written, as on a full disk."""


class ResultOutput(io.TextIOWrapper):
    """Standard output whose failures are OutputFailed; those of a pipe without a reader stay as they are."""

    def write(self, text: str) -> int:
        """Write the text, or put it into the buffer."""
        with _named_failures():
            return super().write(text)

    def flush(self) -> None:
        """Write the buffer."""
        with _named_failures():
            super().flush()


class MessageOutput(io.TextIOWrapper):
    """Standard error; a message that cannot be written is lost and changes no exit status."""

    def write(self, text: str) -> int:
        """Write the text if that is possible."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write the buffer if that is possible."""
        with suppress(OSError):
            super().flush()


def prepare_streams() -> None:
    """Have all three streams open, so that no connection takes the number of a closed one.

    Reading from a closed standard input is an error; output to a closed stream is dropped.
    """
    for number, flags in ((STDIN, os.O_WRONLY), (STDOUT, os.O_WRONLY), (STDERR, os.O_WRONLY)):
        if not _is_open(number):
            os.open(os.devnull, flags)  # takes the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
    output, messages = _buffer_of(sys.stdout, STDOUT), _buffer_of(sys.stderr, STDERR)
    encoding = getattr(sys.stdout, "encoding", "utf-8")
    is_terminal = os.isatty(STDOUT)
    sys.stdout = ResultOutput(output, encoding=encoding, errors=ESCAPE, line_buffering=is_terminal)
    sys.stderr = MessageOutput(messages, encoding=encoding, errors=ESCAPE, line_buffering=True)


def finish_output() -> None:
    """Have the results written; raises OutputFailed, after which nothing more is written to standard output."""
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        raise


def drop_output() -> None:
    """Drop the results that are still in the buffer: the end of the process must not try them again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(error.errno, f"cannot write the results: {error.strerror}") from error


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _buffer_of(stream: object, number: int) -> BinaryIO:
    if isinstance(stream, io.TextIOWrapper):
        return cast(BinaryIO, stream.buffer)
    return open(number, "wb", closefd=False)
