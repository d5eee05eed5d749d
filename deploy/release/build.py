"""Builds the parts of a release, the same bytes from the same commit: `make dist`."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parents[2]
CYCLONEDX: Final = PROJECT / ".venv-release" / "bin" / "cyclonedx-py"
PYTHON: Final = (Path(), Path("contracts"))  # the worker's distribution, and the client's
NODE: Final = Path("contracts", "typescript")
SUMS: Final = "SHA256SUMS"


def build_python(source: Path, target: Path) -> None:
    """Build wheels and sdists of worker and client from a checkout; their times are the commit's."""
    when = _output("git", "-C", source, "log", "-1", "--format=%ct").strip()
    words = (sys.executable, "-m", "hatchling", "build", "--directory", target)
    for project in PYTHON:
        subprocess.run(words, cwd=source / project, env={**os.environ, "SOURCE_DATE_EPOCH": when}, check=True)


def build_node(source: Path, target: Path) -> None:
    """Build and pack the TypeScript client of a checkout whose dependencies are installed."""
    subprocess.run(("npm", "pack", "--silent", "--pack-destination", target), cwd=source / NODE, check=True)


def list_python(target: Path) -> None:
    """Write the CycloneDX list of the packages that the worker's lock file pins, with the hashes."""
    options = ("--pyproject", PROJECT / "pyproject.toml", "--output-reproducible", "--of", "JSON")
    page = target / "session-store.cdx.json"
    subprocess.run(
        (CYCLONEDX, "requirements", *options, "-o", page, PROJECT / "requirements.lock"), check=True
    )


def list_node(target: Path) -> None:
    """Write npm's CycloneDX list of the TypeScript client's packages, without the time and a random number."""
    words = ("npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only", "--omit=dev")
    said = subprocess.run(words, cwd=PROJECT / NODE, capture_output=True, text=True, check=True).stdout
    listed: dict[str, Any] = json.loads(said)
    del listed["serialNumber"], listed["metadata"]["timestamp"]
    listed["metadata"]["component"]["name"] = "session-store-client"
    (target / "session-store-client.cdx.json").write_text(json.dumps(listed, indent=2) + "\n")


def sums(target: Path) -> str:
    """Return a line for each file, as `sha256sum --check` reads it."""
    files = sorted(path for path in target.iterdir() if path.name != SUMS)
    return "".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def main(words: list[str]) -> int:
    """Fill a directory with wheels, sdists, npm package, both lists and the sums, and print the sums."""
    target = Path(words[0]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    build_python(PROJECT, target)
    build_node(PROJECT, target)
    list_python(target)
    list_node(target)
    (target / SUMS).write_text(sums(target))
    print(sums(target), end="")
    return 0


def _output(*words: str | Path) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
