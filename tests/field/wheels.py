"""The wheels of a release in a folder, for pip in a place without a package index."""

import subprocess
from pathlib import Path
from typing import Final

from deploy.local.instance import PROJECT
from tests.field.debian import PLACE
from tests.versions.trees import ENTER, CannotMake

LOCKS: Final = ("requirements.lock", "requirements-traces.lock", "requirements-parquet.lock")
BUILD: Final = "hatchling==1.33.0"
DOWNLOAD: Final = """
set -eu
/usr/bin/python3 -m venv "$1/venv"
for lock in $3; do "$1/venv/bin/pip" download --quiet --only-binary :all: --require-hashes -d "$2" -r "$lock"; done
"$1/venv/bin/pip" download --quiet --only-binary :all: -d "$2" "$4"
rm -rf "$1/venv"
"""


def wheels_for(tree: Path) -> Path:
    """Return a folder with every wheel that the tree's Python installs for this checkout; raises CannotMake."""
    place = PLACE / f"{tree.name}-wheels"
    place.mkdir(parents=True, exist_ok=True)
    locks = " ".join(str(PROJECT / name) for name in LOCKS)
    wanted = "\n".join((PROJECT / name).read_text(encoding="utf-8") for name in LOCKS)
    stamp = place / "locks"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return place
    words = [str(ENTER), str(tree), "sh", "-c", DOWNLOAD, "sh", str(PLACE), str(place), locks, BUILD]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotMake(f"pip download: {done.stderr[-2_000:]}")
    stamp.write_text(wanted, encoding="utf-8")
    return place


PIP: Final = "[global]\nno-index = true\nfind-links = {}\ndisable-pip-version-check = true\n"
"""pip's configuration with the folder as the only source."""
