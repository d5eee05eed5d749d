"""What the doctor finds: one line a check, for a person or a script."""

import shlex
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended; `skipped` is one that could not be made."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `mend` is the command or the setting that mends it, empty when nothing is to be mended.

    `said` and `mend` hold no secret: a password is never taken into either.
    """

    state: State
    said: str
    mend: str = ""


def ok(said: str) -> Finding:
    """Return the finding that all is as it should be."""
    return Finding(State.OK, said)


def warning(said: str, mend: str) -> Finding:
    """Return the finding of something that works and should be looked after."""
    return Finding(State.WARNING, said, mend)


def wrong(said: str, mend: str) -> Finding:
    """Return the finding of something that does not work."""
    return Finding(State.WRONG, said, mend)


def skipped(why: str, mend: str = "") -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(State.SKIPPED, why, mend)


def psql(*statements: str, who: str = "") -> str:
    """Return the shell command that runs these statements one by one; `who` must run it, if not anybody may."""
    words = "".join(f" -c {shlex.quote(statement)}" for statement in statements)
    return f'psql "$DATABASE_URL"{words}' + (f"  # as {who}" if who else "")
