"""Whether the standard error goes to systemd's journal, and how severe lines are there."""

import os
from typing import Final

STANDARD_ERROR: Final = 2
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The priority of sd-daemon(3) by the level of a line."""


def is_journal() -> bool:
    """Say whether standard error is connected to the journal: `JOURNAL_STREAM` names its device and inode."""
    try:
        found = os.fstat(STANDARD_ERROR)
    except OSError:  # it is closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def with_priority(level: str, text: str) -> str:
    """Return the text with the priority in front of each line that the journal takes from it, where it reads it."""
    if not is_journal():
        return text
    return "\n".join(f"<{PRIORITIES[level]}>{line}" for line in text.split("\n"))
