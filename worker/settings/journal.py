"""Whether what this process says goes to systemd's journal."""

import os
from typing import Final

STDERR: Final = 2


def stderr_is_journal() -> bool:
    """Return whether stderr is the stream that systemd connects to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(STDERR)
    except OSError:
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
