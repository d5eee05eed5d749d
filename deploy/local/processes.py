"""Processes that outlive the program that started them, known by pid and time of birth."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PROC_EXISTS = (_PROC / "self" / "stat").exists()
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `birth` tells it apart from a later one with the same pid."""

    pid: int
    birth: str


@dataclass(frozen=True, slots=True)
class _Row:
    parent: int
    zombie: bool
    birth: str


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    directory: Path,
    user: str | None = None,
) -> Process:
    """Start a command in a session of its own, output appended to `log`, and return it once it exists.

    A shell in between hands the process to init, so that it needs no waiting for and survives its starter.
    """
    launcher = ["sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
    with log.open("ab") as output:
        done = subprocess.run(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
            check=True,
            user=user,
            group=group_of(user),
            extra_groups=None if user is None else [],
        )
    pid = int(done.stdout)
    row = _look(pid)
    return Process(pid, row.birth if row else "gone")


def group_of(user: str | None) -> int | None:
    """Return the id of the user's own group, None without a user."""
    return None if user is None else pwd.getpwnam(user).pw_gid


def is_alive(process: Process) -> bool:
    """Return whether this very process runs or is frozen; a dead one without a waiting parent does not count."""
    row = _look(process.pid)
    return row is not None and not row.zombie and row.birth == process.birth


def family(process: Process) -> list[Process]:
    """Return the process, then its descendants, parents first."""
    rows = _table()
    if process.pid not in rows:
        return []
    found = [process.pid]
    for pid in found:
        found.extend(child for child, row in rows.items() if row.parent == pid)
    return [Process(pid, rows[pid].birth) for pid in found]


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to each of the processes that is still there."""
    for process in processes:
        if is_alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def await_end(processes: Iterable[Process], seconds: float) -> bool:
    """Return True as soon as all have ended, False when time is up."""
    deadline = time.monotonic() + seconds
    waiting = list(processes)
    while waiting := [process for process in waiting if is_alive(process)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def freeze_family(process: Process) -> None:
    """Stop the process first, so that it has no new children, and then its descendants."""
    send([process], signal.SIGSTOP)
    send(family(process)[1:], signal.SIGSTOP)


def thaw_family(process: Process) -> None:
    """Resume the descendants and then the process itself."""
    send(reversed(family(process)), signal.SIGCONT)


def kill_family(process: Process) -> None:
    """Kill the process and its descendants; none is left when this returns."""
    send([process], signal.SIGSTOP)
    doomed = family(process)
    send(doomed, signal.SIGKILL)
    await_end(doomed, 10)


def _look(pid: int) -> _Row | None:
    if not _PROC_EXISTS:
        return _table().get(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    # A process whose first thread has ended shows as a zombie while others still hold its sockets.
    return _Row(parent=int(fields[1]), zombie=fields[0] in "ZX" and int(fields[17]) <= 1, birth=fields[19])


def _table() -> dict[int, _Row]:
    if _PROC_EXISTS:
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
        return {pid: row for pid in pids if (row := _look(pid))}
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,state=,lstart="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(maxsplit=3) for line in listing.splitlines())
    return {int(row[0]): _Row(int(row[1]), row[2].startswith("Z"), row[3]) for row in rows}
