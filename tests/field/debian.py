"""Debian trees for the trials, made by mmdebstrap and kept under `.local/field`."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.instance import LOCAL, PROJECT
from tests.versions.trees import MIRROR, OPTIONS, need_tools, run

PLACE: Final = LOCAL / "field"


def make_tree(name: str, suite: str, packages: Sequence[str]) -> Path:
    """Return the directory of a Debian with these packages; make it if needed, or raise CannotMake.

    Nothing runs in it yet. Its name has its purpose and a digest of the packages.
    """
    digest = hashlib.sha256(" ".join((suite, *packages)).encode()).hexdigest()[:8]
    tree = PLACE / f"{suite}-{name}-{digest}"
    if tree.exists():
        return tree
    need_tools()
    PLACE.mkdir(parents=True, exist_ok=True)
    fresh = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    print(f"making {tree}: Debian {suite} with {', '.join(packages)}", flush=True)
    options = [f'--aptopt={option} "{value}"' for option, value in OPTIONS.items()]
    chosen = f"--include={','.join(packages)}"
    run(["mmdebstrap", "--variant=minbase", chosen, *options, suite, str(fresh), MIRROR])
    fresh.rename(tree)
    return tree


def copy_project(to: Path) -> None:
    """Copy the files of this checkout that git tracks or does not ignore."""
    to.mkdir(parents=True, exist_ok=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, check=True).stdout
    there = b"\0".join(name for name in names.split(b"\0") if name and (PROJECT / name.decode()).exists())
    subprocess.run(["xargs", "-0", "cp", "--parents", "-t", str(to)], input=there, cwd=PROJECT, check=True)
