"""Whether standard error goes to systemd's journal, and the priority of lines there."""

import os
from typing import Final

STDERR: Final = 2
INFORMATIONAL: Final = 6
PRIORITIES: Final = {
    "debug": 7,
    "info": INFORMATIONAL,
    "warning": 4,
    "error": 3,
    "exception": 3,
    "critical": 2,
}
"""The priority of sd-daemon(3) by the level of a line."""


def stderr_is_journal() -> bool:
    """Return whether stderr is the stream that systemd connects to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(STDERR)
    except OSError:  # it is closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def priority_prefix(level: str) -> str:
    """Return the text in front of a line of this level from which the journal takes its priority."""
    return f"<{PRIORITIES.get(level, INFORMATIONAL)}>"


def with_priority(level: str, text: str) -> str:
    """Return the text with the priority in front of each of its lines."""
    prefix = priority_prefix(level)
    return "\n".join(f"{prefix}{line}" for line in text.splitlines())
