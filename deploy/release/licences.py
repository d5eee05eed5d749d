"""The licences of the installed packages: `python -m deploy.release.licences` writes or compares them."""

import json
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from deploy.generated import write_or_check

PROJECT: Final = Path(__file__).parents[2]
PAGE: Final = PROJECT / "docs" / "licences.md"
LOCK: Final = PROJECT / "requirements-traces.lock"
NODE_LOCK: Final = PROJECT / "contracts" / "typescript" / "package-lock.json"
EXTRAS: Final = ("pyarrow",)
PINNED: Final = re.compile(r"^([a-z0-9.-]+)==\S+(.*)$", re.MULTILINE)
ALLOWED: Final = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Unlicense")
}
SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
HEAD: Final = """# Licences

For people who must know the licence of each package that a worker, its traces or the TypeScript client install.

`python -m deploy.release.licences` reads them from the packages.
A test refuses an unknown licence, and a licence that demands the source of programs that use the package.
The project's own licence is MIT.

| package | licence |
| --- | --- |
"""


def python_licences() -> dict[str, str]:
    """Return the licence of each locked package as an SPDX expression; Windows' own are not looked at."""
    pinned = {name for name, marker in PINNED.findall(LOCK.read_text("utf-8")) if "win32" not in marker}
    return {name: expression(name) for name in sorted(pinned.union(EXTRAS))}


def node_licences() -> dict[str, str]:
    """Return the licence of each package that comes with the TypeScript client."""
    packages = json.loads(NODE_LOCK.read_text("utf-8"))["packages"]
    return {
        path.rpartition("node_modules/")[2]: package.get("license", "unknown")
        for path, package in packages.items()
        if path and not package.get("dev")
    }


def expression(name: str) -> str:
    """Return the licence that an installed package declares, `unknown` where it declares none that we know."""
    declared = distribution(name).metadata
    if spdx := declared.get_all("License-Expression"):
        return str(spdx[0])
    lines = declared.get_all("Classifier") or []
    classified = [line.rpartition(" :: ")[2] for line in lines if line.startswith("License :: OSI")]
    words = classified or declared.get_all("License") or [""]
    return " OR ".join(SPDX.get(word, word if word in ALLOWED else "unknown") for word in words)


def refused(licence: str) -> set[str]:
    """Return the parts of an SPDX expression that may not get in; of alternatives one suffices."""
    alternatives = [set(re.findall(r"[\w.-]+", part)) - {"AND"} for part in flat(licence).split(" OR ")]
    return min((words - ALLOWED for words in alternatives), key=len)


def flat(licence: str) -> str:
    """Return the expression with each group of alternatives replaced by its first allowed one."""
    return re.sub(r"\(([^()]+)\)", lambda group: _first_allowed(group[1]), licence)


def _first_allowed(group: str) -> str:
    words = group.split(" OR ")
    return next((word for word in words if word in ALLOWED), words[0])


def main(words: list[str]) -> int:
    """Return 0 when the page has, or now has, the content that this program writes."""
    rows = {**python_licences(), **{f"{name} (npm)": licence for name, licence in node_licences().items()}}
    text = HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in rows.items())
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
