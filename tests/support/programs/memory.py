"""The memory of a process, as Linux reports it."""

from pathlib import Path


def read_kilobytes(pid: int, name: str) -> int:
    """Return a value of the process's status in kB: `VmRSS` is its resident memory, `VmHWM` its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no {name}")
