"""When a process of `deploy.local` has ended, or did not end in time."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.errors import CommandFailed, ends_in_time
from deploy.local.processes import Process, family, is_alive

FIRST_THREAD_ENDS = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_is_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE) as child:
        while _state(child.pid) != "Z":
            pass
        process = family(Process(child.pid, ""))[0]
        assert is_alive(process)
        child.kill()
        child.wait()
        assert not is_alive(process)


def test_a_program_that_does_not_end_in_time_is_a_failed_command() -> None:
    with pytest.raises(CommandFailed, match=r"^tail did not end within 0 s$"), ends_in_time("tail"):
        subprocess.run(["tail", "-f", "/dev/null"], timeout=0.01, check=False)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
