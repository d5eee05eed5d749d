"""A Debian with systemd as its first process, in a container without a network."""

import os
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.field.debian import PLACE, copy_project, make_tree
from tests.field.wheels import PIP, wheels_for
from tests.versions.trees import CannotMake, run

BOOT: Final = Path(__file__).parent / "boot"
NAME: Final = "session-store-trial"
SUITE: Final = "bookworm"
STOCK: Final = ("systemd", "systemd-sysv", "dbus", "sudo", "ca-certificates", "procps", "iproute2")
"""The packages of a Debian host before the page's own `apt-get install`."""
HOME: Final = "/srv/admin"
CHECKOUT: Final = f"{HOME}/session-store"
WHEELS: Final = "/srv/wheels"
BOOT_SECONDS: Final = 120
COMMAND_SECONDS: Final = 400
STEP_SECONDS: Final = 0.2


class Machine:
    """One machine: its disk outlives a stop, and `erase` removes it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._root = place / "root"
        self._console = place / "console.log"
        self._running: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def make(self, packages: tuple[str, ...]) -> None:
        """Make a disk with these packages, the wheels, and the checkout of `admin`, who may call sudo."""
        tree = make_tree("systemd", SUITE, (*STOCK, *packages))
        wheels = wheels_for(tree)
        self.erase()
        for name in ("upper", "work", "root"):
            (self._place / name).mkdir(parents=True)
        layers = f"lowerdir={tree},upperdir={self._place}/upper,workdir={self._place}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self._root)])
        run(["cp", "-r", str(wheels), f"{self._root}{WHEELS}"])
        (self._root / "etc/pip.conf").write_text(PIP.format(WHEELS))
        (self._root / "etc/hostname").write_text(f"{NAME}\n")
        (self._root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {NAME}\n")
        words = ["useradd", "--create-home", "--home-dir", HOME, "--shell", "/bin/bash", "admin"]
        run(["chroot", str(self._root), *words])
        (self._root / "etc/sudoers.d/admin").write_text("admin ALL=(ALL) NOPASSWD: ALL\n")
        copy_project(self._root / CHECKOUT.lstrip("/"))
        run(["chroot", str(self._root), "chown", "-R", "admin:", HOME])
        run(["chmod", "700", f"{self._root}{HOME}"])  # as Debian's adduser makes it

    def start(self) -> None:
        """Boot, and return once every unit has started; raise CannotMake where systemd does not start."""
        with self._console.open("wb") as console:
            self._running = subprocess.Popen(
                [str(BOOT), str(self._root), NAME],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._leader = self._wait_for_leader(self._running)
        while self.says("systemctl", "is-system-running", "--wait").strip() not in ("running", "degraded"):
            self._wait_a_little(self._running)
        for hierarchy in ("memory", "cpu", "cpuacct", "pids"):  # nspawn mounts those of cgroup v1 read-only
            self.says("mount", "-o", "remount,bind,rw", f"/sys/fs/cgroup/{hierarchy}")
        self.says("systemctl", "daemon-reexec")  # systemd looks for them only at its start

    def stop(self) -> None:
        """Shut the machine down, as a person would."""
        if self._running is None:
            return
        self.says("systemctl", "poweroff", "--no-block")
        try:
            self._running.wait(BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self._leader, 9)
            self._running.wait(BOOT_SECONDS)
        self._running = None

    def erase(self) -> None:
        """Remove the disk."""
        if self._root.is_mount():
            run(["umount", str(self._root)])
        run(["rm", "-rf", "--one-file-system", str(self._place)])

    def type(self, commands: str) -> str:
        """Return the output of commands of `admin` in the checkout; fail at the first one that fails."""
        done = self._run(["runuser", "-l", "admin", "-c", f"cd {CHECKOUT} && set -eo pipefail\n{commands}"])
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        return done.stdout

    def fail(self, commands: str, status: int) -> str:
        """Return the output of commands of `admin` that must end with this exit status."""
        done = self._run(["runuser", "-l", "admin", "-c", f"cd {CHECKOUT}\n{commands}"])
        assert done.returncode == status, f"{commands}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def says(self, *words: str) -> str:
        """Return the output of a program of root, whatever its exit status."""
        return self._run(list(words)).stdout

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a program of root and return its process."""
        return subprocess.Popen(
            self._entered(list(words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def write(self, path: str, text: str) -> None:
        """Write a file of root with this text."""
        file = self._root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def until(self, wanted: str, *words: str, seconds: float = BOOT_SECONDS) -> str:
        """Repeat a program of root until its output has this text; return the output."""
        end = time.monotonic() + seconds
        while wanted not in (said := self.says(*words)):
            assert time.monotonic() < end, f"{' '.join(words)} does not say {wanted!r}:\n{said}"
            time.sleep(STEP_SECONDS)
        return said

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._entered(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def _entered(self, words: list[str]) -> list[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C"]
        return [*enter, "--", "env", "-i", path, "HOME=/root", "LANG=C.UTF-8", *words]

    def _wait_for_leader(self, running: subprocess.Popen[bytes]) -> int:
        """Return the id of the machine's first process."""
        while True:
            listed = subprocess.run(
                ["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=False
            )
            for pid in listed.stdout.split():
                if (Path("/proc") / pid / "comm").read_text().strip() == "systemd":
                    return int(pid)
            self._wait_a_little(running)

    def _wait_a_little(self, running: subprocess.Popen[bytes]) -> None:
        if running.poll() is not None:
            raise CannotMake(f"systemd does not come up here: {self._console.read_text()[-1_000:]}")
        time.sleep(STEP_SECONDS)


def place() -> Path:
    """Return the directory of the machine's disk."""
    return PLACE / "machine"
