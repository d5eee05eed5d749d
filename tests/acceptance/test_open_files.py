"""A worker raises its limit of open files as far as it needs, or does not start and says why."""

import os
import re
import resource
import subprocess
from pathlib import Path

from tests.support.programs.installation import Variables
from tests.support.programs.replica import PROGRAM, Replica

NEEDED = 10 + 64
OPEN_FILES = re.compile(r"^Max open files +(\d+)", re.MULTILINE)


def test_a_worker_that_may_not_open_what_it_needs_does_not_start(installation: Variables) -> None:
    done = subprocess.run(
        ["sh", "-c", f"ulimit -n {NEEDED - 1}; exec {PROGRAM} run"],
        env={"PATH": os.defpath, **installation},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert f"may have {NEEDED - 1} files open and needs {NEEDED}" in done.stderr
    assert f"LimitNOFILE={NEEDED}" in done.stderr


def open_files(replica: Replica) -> int:
    """Return the process's limit of open files."""
    [limit] = OPEN_FILES.findall(Path(f"/proc/{replica.pid}/limits").read_text())
    return int(limit)


async def test_a_worker_raises_its_own_limit_as_far_as_it_needs(installation: Variables) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wide = {"SESSION_STORE_POOL_SIZE": "900"}
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        replica = await Replica.start({**installation, **wide})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    await replica.logged("broker.connected")
    assert open_files(replica) == 900 + 64
    assert await replica.stop() == 0
