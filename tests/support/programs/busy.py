"""Processes that only compute, so that the machine is busy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_COMPUTE: Final = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(10**6))"


@contextmanager
def busy(number: int) -> Iterator[list[int]]:
    """Yield the ids of `number` processes that compute without a pause.

    They end with the block, and also when the process that started them is killed.
    """
    command = [sys.executable, "-c", _COMPUTE, str(os.getpid())]
    # `start_new_session`: they compete with every program, and not only with the one that started them.
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(number)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
