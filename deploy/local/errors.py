"""The errors of a local server, sorted by the action that the reader must take.

LocalServerError
+-- MissingPrograms    install the programs that the message names
+-- StartFailed        read the log lines in the message
+-- CommandFailed      a client program (psql, rabbitmqctl, apt-get) refused; its words are in the message
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


class LocalServerError(Exception):
    """Anything a local server reports."""


class MissingPrograms(LocalServerError):
    """Server programs are not on this machine and may not be installed from here."""


class StartFailed(LocalServerError):
    """The server did not become ready; the message ends with its last log lines."""


class CommandFailed(LocalServerError):
    """A program that was run to its end reported failure, or did not end in time."""


@contextmanager
def ends_in_time(program: str) -> Iterator[None]:
    """Raise CommandFailed in place of the timeout of a program, as on a machine with a very high load."""
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{program} did not end within {error.timeout:.0f} s") from error
