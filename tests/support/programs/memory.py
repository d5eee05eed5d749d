"""What memory a process has, as Linux tells it."""

from pathlib import Path


def read_kilobytes(pid: int, name: str) -> int:
    """Return a line of the process's status in kB: `VmRSS` is resident now, `VmHWM` the most that ever was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no {name}")
