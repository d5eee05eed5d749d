"""The commands of a document, run as they are printed."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.instance import PROJECT
from deploy.local.programs import postgres_programs
from tests.support.patience import LONGEST_WAIT

SECTION: Final = re.compile(r"^##+ (.+)$", re.MULTILINE)
COMMANDS: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str, heading: str) -> list[str]:
    """Return the ```sh blocks under a heading of a document, in their order."""
    parts = SECTION.split((PROJECT / page).read_text(encoding="utf-8"))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return COMMANDS.findall(sections[heading])


def run_commands(
    commands: str, variables: Mapping[str, str], directory: Path = PROJECT, user: str | None = None
) -> str:
    """Return the output of the commands; fails with it at the first command that fails."""
    programs = f"{PROJECT / '.venv' / 'bin'}:{postgres_programs()}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={"PATH": programs, "LC_ALL": "C", **variables},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_WAIT,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout
