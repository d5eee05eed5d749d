"""Runs `session-store` commands to their end, as a person's shell would."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.patience import LONGEST_WAIT
from tests.support.programs.forked import FORKING
from tests.support.programs.replica import PROGRAM


def run_command(
    *arguments: str, variables: Mapping[str, str], directory: Path = Path("/"), stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Return the finished command; its environment is PATH and these variables alone."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), **variables}
    if server := FORKING.of_command(environment):
        return server.run(arguments, environment, directory, stdin or "", LONGEST_WAIT)
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment,
        cwd=directory,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=False,
    )
