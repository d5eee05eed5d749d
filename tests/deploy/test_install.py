"""Debian's packages are installed by apt, whose lock another program may hold."""

from pathlib import Path
from typing import Final

import pytest

from deploy.local import install
from deploy.local.errors import CommandFailed

LISTS: Final = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (unattended-upgr)"
FRONTEND: Final = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend - open (11: Resource temporarily unavailable)"
)
APT: Final = """#!/bin/sh
echo "$@" >> calls
if [ -e "held-$2" ]; then
    cat "held-$2" >&2
    test "$(grep -c "$2" calls)" -lt "$(cat attempts)" || rm "held-$2"
    exit 100
fi
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have a fake apt-get in an empty working directory, which logs its calls; return the directory."""
    apt = tmp_path / "apt-get"
    apt.write_text(APT)
    apt.chmod(0o755)
    (tmp_path / "attempts").write_text("2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(install, "_CLUSTERS", tmp_path / "absent")
    monkeypatch.setattr(install, "_SYSTEMD", tmp_path / "absent")
    monkeypatch.setattr(install, "_LOCK_PAUSE_SECONDS", 0.0)
    return tmp_path


@pytest.mark.parametrize(
    ("held", "holder"), [(LISTS, "process 812 (unattended-upgr)"), (FRONTEND, "another program")]
)
@pytest.mark.parametrize("command", ["update", "install"])
def test_it_waits_for_another_program_that_holds_the_lock(
    machine: Path, command: str, held: str, holder: str
) -> None:
    (machine / f"held-{command}").write_text(held)
    reported: list[str] = []
    install.install(["npm"], reported.append)
    calls = [line.split()[1] for line in (machine / "calls").read_text().splitlines()]
    assert calls == sorted(["update", "install", command, command], key=["update", "install"].index)
    assert reported == ["installing npm by apt", f"waiting for {holder}, which holds apt's lock"]


def test_it_gives_up_with_the_words_of_apt(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_LOCK_SECONDS", 0.0)
    (machine / "attempts").write_text("1000")
    (machine / "held-update").write_text(LISTS)
    with pytest.raises(CommandFailed, match="process 812"):
        install.install(["npm"], lambda _: None)


def test_another_failure_of_apt_ends_it_at_once(machine: Path) -> None:
    (machine / "held-install").write_text("E: Unable to locate package npm")
    with pytest.raises(CommandFailed, match="Unable to locate package npm"):
        install.install(["npm"], lambda _: None)
    assert len((machine / "calls").read_text().splitlines()) == 2
