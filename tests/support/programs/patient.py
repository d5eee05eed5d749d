"""An installation that the doctor examines, and the commands that the doctor advises."""

import asyncio
import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from typing import cast

from deploy.local.programs import postgres_programs
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.replica import PROGRAM
from worker.doctor.finding import Finding, State
from worker.doctor.run import Scope, examine_installation
from worker.settings.config import Flags
from worker.settings.loading import load

RELEASE = version("session-store")
FLAGS = {
    "DATABASE_URL": "database_url",
    "AMQP_URL": "amqp_url",
    "SESSION_STORE_PREFIX": "prefix",
    "SESSION_STORE_POOL_SIZE": "pool_size",
}

Findings = dict[str, Finding]


async def examine(
    variables: Mapping[str, str],
    timeout: float = 5.0,
    long_after: float = 60.0,
    *,
    security: bool = False,
    **changed: str,
) -> Findings:
    """Return the doctor's findings, by check, with these variables and the changed ones."""
    found: Findings = {}
    flags = {FLAGS[name]: value for name, value in {**variables, **changed}.items()}
    await examine_installation(
        load(cast(Flags, flags), required=()),
        Scope(RELEASE, timeout, long_after, security),
        found.__setitem__,
    )
    return found


def states_of(found: Findings) -> dict[str, str]:
    """Return the state of each check that is not `ok`.

    Checks are left out that were skipped because of another check, or without pg_stat_statements.
    """
    return {
        name: finding.state.value
        for name, finding in found.items()
        if finding.state is not State.OK
        and not finding.message.startswith(("needs ", "pg_stat_statements is not"))
    }


async def follow(command: str, variables: Mapping[str, str]) -> str:
    """Run a command as it was printed, in a shell; returns its output."""
    programs = f"{PROGRAM.parent}{os.pathsep}{postgres_programs()}"
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", command],
        env={"PATH": path, **variables},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return str(done.stdout)
