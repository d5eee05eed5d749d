"""The result of a check, for a person or a script."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended; a skipped check could not be made."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check; `fix` is the command or the setting that helps, empty where none is needed.

    Neither text holds a password.
    """

    state: State
    message: str
    fix: str = ""


def ok(message: str) -> Finding:
    """Return the finding of something that is as it should be."""
    return Finding(State.OK, message)


def warning(message: str, fix: str) -> Finding:
    """Return the finding of something that works and needs attention."""
    return Finding(State.WARNING, message, fix)


def error(message: str, fix: str) -> Finding:
    """Return the finding of something that does not work."""
    return Finding(State.ERROR, message, fix)


def skipped(message: str, fix: str = "") -> Finding:
    """Return the finding of a check that could not be made; the message says why."""
    return Finding(State.SKIPPED, message, fix)
