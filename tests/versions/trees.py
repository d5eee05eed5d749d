"""Another Debian in a directory, made by mmdebstrap, and its programs as this machine runs them.

It needs root, mmdebstrap (installed if it is missing) and a Debian mirror. Making a tree starts no server.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.instance import LOCAL, PROJECT

PLACE: Final = LOCAL / "versions"
ENTER: Final = Path(__file__).parent / "enter"
MIRROR: Final = "http://deb.debian.org/debian"
LONGEST_SECONDS: Final = 600
COMMIT: Final = [
    *("-c", "user.name=versions", "-c", "user.email=versions@localhost"),
    *("commit", "--quiet", "--allow-empty", "--message", "As it is on this machine"),
]
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's PATH: this machine's may name its user's directory, which a tree has too."""
RABBITMQ: Final = (
    "rabbitmq-server",
    "rabbitmqctl",
    "rabbitmq-diagnostics",
    "rabbitmq-plugins",
    "rabbitmq-queues",
)
_SERVER: Final = ("ca-certificates", "rabbitmq-server")
_SUITE: Final = (
    *("git", "make", "openssl", "procps", "iproute2", "nftables", "python3", "python3-venv", "nodejs", "npm"),
    *("postgresql", "pgbouncer", "prometheus", "systemd", "strace"),
)
_TOOLS: Final = ("mmdebstrap", "debian-archive-keyring")
# The index of an unpublished release may be older than its time of validity.
OPTIONS: Final = {
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root",
    "Acquire::Check-Valid-Until": "false",
}


class CannotMake(Exception):
    """A tree, or a part of one, cannot be made here; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A Debian by the name of its release, such as `trixie`."""

    suite: str

    @property
    def directory(self) -> Path:
        """The directory of its files, which may not exist yet."""
        return PLACE / self.suite

    def make(self) -> None:
        """Make the tree with RabbitMQ in it unless it exists, completely or not at all; raises CannotMake."""
        if self.directory.exists():
            return
        need_tools()
        fresh = self.directory.with_name(f"{self.suite}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        PLACE.mkdir(parents=True, exist_ok=True)
        options = [f'--aptopt={name} "{value}"' for name, value in OPTIONS.items()]
        packages = f"--include={','.join(_SERVER)}"
        run(["mmdebstrap", "--variant=minbase", packages, *options, self.suite, str(fresh), MIRROR])
        fresh.rename(self.directory)

    def complete(self) -> None:
        """Install the other packages of the tests in the tree, which is made if needed; raises CannotMake."""
        self.make()
        if not (self.directory / "usr/bin/npm").exists():
            run([*self._entered(), "apt-get", "-qq", "update"])
            install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *_SUITE]
            run([*self._entered(), "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", *install])

    def rabbitmq(self) -> Path:
        """Return a directory of scripts that run this tree's RabbitMQ, for the variable RABBITMQ_PROGRAMS."""
        place = PLACE / f"{self.suite}-rabbitmq"
        place.mkdir(exist_ok=True)
        for name in RABBITMQ:
            self.write_script(place / name, f"/usr/lib/rabbitmq/bin/{name}")
        return place

    def write_script(self, script: Path, program: str) -> None:
        """Write a script that runs a program of this tree."""
        script.unlink(missing_ok=True)
        script.write_text(f"#!/bin/sh\nexec '{ENTER}' '{self.directory}' {program} \"$@\"\n")
        script.chmod(0o755)

    def version_of(self, package: str) -> str:
        """Return the upstream version of a package that is installed in the tree."""
        command = [
            "dpkg-query",
            f"--admindir={self.directory / 'var/lib/dpkg'}",
            "-Wf",
            "${Version}",
            package,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.partition(":")[2].partition("-")[0] or done.stdout.partition("-")[0]

    def project(self) -> Path:
        """Copy this project into the tree, without files that git ignores; return its path in the tree."""
        inside = Path("/srv/session-store")
        to = self.directory / inside.relative_to("/")
        to.mkdir(parents=True, exist_ok=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            check=True,
        )
        known = [name for name in listed.stdout.decode().split("\0") if name and (PROJECT / name).exists()]
        _copy(known, to)
        for command in (["init", "--quiet"], ["add", "--all"], COMMIT):  # some tests use git
            run(["git", "-C", str(to), *command])
        return inside

    def run(self, command: list[str], inside: Path, environment: dict[str, str] | None = None) -> int:
        """Run a command in the tree, by the tree's programs, in this directory; returns its exit status."""
        words = [*self._entered(), "env", f"--chdir={inside}", f"PATH={PATH}", *command]
        return subprocess.run(words, env={**os.environ, **(environment or {})}, check=False).returncode

    def _entered(self) -> list[str]:
        return [str(ENTER), str(self.directory)]


def _copy(names: list[str], to: Path) -> None:
    """Copy these files of the project, and delete other Python files except generated ones."""
    kept = {to / name for name in names}
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, to / name, follow_symlinks=False)
    made = (".venv", ".local", "node_modules", "__pycache__", "dist")
    for path in [path for path in to.rglob("*.py") if path not in kept]:
        if not set(made) & set(path.relative_to(to).parts):
            path.unlink()


def need_tools() -> None:
    """Install mmdebstrap if it is missing and may be installed; raises CannotMake."""
    if os.geteuid() != 0:
        raise CannotMake("a tree is made, and entered, by root alone")
    if shutil.which("mmdebstrap") is None:
        if shutil.which("apt-get") is None:
            raise CannotMake("mmdebstrap is not on this machine")
        run(["apt-get", "-qq", "update"])
        run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *_TOOLS])


def run(command: list[str]) -> None:
    """Run a command to its end; raises CannotMake with its output if it fails, or if it takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotMake(f"{' '.join(command)} took more than {LONGEST_SECONDS} s") from error
    if done.returncode != 0:
        raise CannotMake(f"{' '.join(command)}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
