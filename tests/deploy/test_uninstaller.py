"""The actions of `deploy/systemd/uninstall.sh`, with a fake systemctl that knows units and logs calls."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import PROJECT

UNITS: Final = PROJECT / "deploy" / "systemd"
SYSTEMCTL: Final = """#!/bin/sh
case "$1 $*" in
    list-units*--state=*) ;;
    list-units*) printf '%s\\n' 'session-store@1.service loaded active running One' \\
        'session-store@3.service loaded failed failed Three' \\
        'session-store-retain.timer loaded active waiting Nightly' ;;
    *) exit 5 ;;
esac
"""


def run_script(words: list[str | Path], programs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script, and return the finished process; `programs` precede those of this machine."""
    path = os.pathsep.join([*([str(programs)] if programs else []), os.environ["PATH"]])
    return subprocess.run(
        ["sh", UNITS / "uninstall.sh", *words],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    return tmp_path


def test_every_unit_is_stopped_by_its_name_the_timers_first(programs: Path) -> None:
    done = run_script(["--dry-run"], programs)
    assert done.returncode == 0, done.stderr
    stopped = [line for line in done.stdout.splitlines() if line.startswith("systemctl stop")]
    assert stopped == [
        "systemctl stop session-store-retain.timer",
        "systemctl stop session-store@1.service",
        "systemctl stop session-store@3.service",
    ]
    assert "*" not in "".join(
        line for line in done.stdout.splitlines() if "stop" in line or "disable" in line
    )
    lines = done.stdout.splitlines()
    first_removal = next(number for number, line in enumerate(lines) if line.startswith("rm"))
    assert max(lines.index(line) for line in stopped) < first_removal


def test_a_systemctl_that_does_not_answer_ends_it_before_anything_is_removed(programs: Path) -> None:
    (programs / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    done = run_script(["--dry-run"], programs)
    assert done.returncode == 1
    assert "rm" not in done.stdout
    assert "nothing was removed" in done.stderr


def test_links_drop_ins_and_stamps_go_and_the_settings_and_archives_stay(tmp_path: Path) -> None:
    gone = (
        "etc/systemd/system/multi-user.target.wants/session-store@1.service",
        "etc/systemd/system/timers.target.wants/session-store-retain.timer",
    )
    files = (
        *(f"etc/systemd/system/{path.name}" for path in UNITS.glob("session-store*.*")),
        "etc/systemd/system/session-store@.service.d/override.conf",
        "etc/systemd/system/session-store@2.service.d/override.conf",
        "etc/systemd/system/session-store-retain.timer.d/override.conf",
        "var/lib/systemd/timers/stamp-session-store-retain.timer",
        "usr/local/bin/session-store",
        "opt/session-store/venv/bin/session-store",
    )
    kept = ("etc/session-store/credentials/DATABASE_URL", "var/lib/session-store/archive/a.parquet")
    for name in (*files, *kept, "etc/systemd/system/another.service"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to("/etc/systemd/system/session-store@.service")
    assert run_script(["--root", tmp_path]).returncode == 0
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {*kept, "etc/systemd/system/another.service"}
