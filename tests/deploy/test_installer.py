"""The steps that `deploy/systemd/install.sh` leaves to a person, and the command that it installs."""

import os
import re
import subprocess
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import PROJECT
from deploy.logins import main as make_logins
from tests.support.programs.page import commands_of

UNITS: Final = PROJECT / "deploy" / "systemd"
COMMAND: Final = UNITS / "session-store"
PAGE: Final = "docs/install-systemd.md"
CREDENTIAL: Final = re.compile(r"^LoadCredential=\w+:/etc/session-store/credentials/(\w+)$", re.MULTILINE)
ENVIRONMENT: Final = """# a comment
SESSION_STORE_PREFETCH=500
SESSION_STORE_PREFIX="eu."
not a setting
"""
SHOW: Final = "#!/bin/sh\nenv | grep ^SESSION_STORE_ | sort\n"


@pytest.fixture(scope="module")
def said() -> str:
    """Return the output of the installer's dry run."""
    done = subprocess.run(
        ["sh", UNITS / "install.sh", "--dry-run"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_makes_an_empty_file_for_each_credential_of_the_units(said: str) -> None:
    loaded = {name for unit in UNITS.glob("*.service") for name in CREDENTIAL.findall(unit.read_text())}
    assert loaded == {"DATABASE_URL", "AMQP_URL", "JANITOR_DATABASE_URL", "OWNER_DATABASE_URL"}
    made = re.findall(r"^install -m 600 /dev/null /etc/session-store/credentials/(\w+)$", said, re.MULTILINE)
    assert set(made) == loaded


def test_it_puts_the_program_on_the_path_and_prints_the_steps_of_the_page(said: str) -> None:
    assert re.search(r"^install .* /usr/local/bin/session-store$", said, re.MULTILINE)
    steps = commands_of(PAGE, "Prepare the servers, and start")
    assert len(steps) == 5
    assert all(step in said for step in steps)


def test_no_step_leaves_a_gap_that_a_person_fills() -> None:
    headings = ("Install the program", "Prepare the servers, and start", "Change a password of the units")
    steps = "".join(step for heading in headings for step in commands_of(PAGE, heading))
    assert "..." not in steps
    assert "HOST" not in steps
    assert len([line for line in steps.splitlines() if "sudo deploy/rabbitmq/import.sh" in line]) == 3


def test_the_nightly_unit_may_write_where_the_page_puts_archives() -> None:
    unit = (UNITS / "session-store-retain.service").read_text()
    assert re.findall(r"^StateDirectory=(.*)$", unit, re.MULTILINE) == ["session-store/archive"]
    assert "--archive /var/lib/session-store/archive" in (PROJECT / PAGE).read_text(encoding="utf-8")


def test_libraries_for_parquet_are_chosen_by_a_word() -> None:
    done = subprocess.run(
        ["sh", UNITS / "install.sh", "--dry-run", "--parquet"], capture_output=True, text=True, check=True
    )
    assert "-r " + str(PROJECT / "requirements-parquet.lock") in done.stdout
    assert "\npyarrow==" in (PROJECT / "requirements-parquet.lock").read_text()


def test_the_logins_are_sorted_by_who_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tmp_path), "--postgres", "localhost:5432/sessions", "--rabbitmq", "mq.example:5671"]
    assert make_logins(words) == 0
    urls = {
        str(path.relative_to(tmp_path)): path.read_text()
        for folder in ("worker", "answers", "prepare", "nightly", "engine", "caller")
        for path in (tmp_path / folder).iterdir()
    }
    logins = {name: re.sub(r":[0-9a-f]{48}@", "@", url) for name, url in urls.items()}
    assert logins["worker/DATABASE_URL"] == "postgresql://session_store_worker@localhost:5432/sessions"
    assert logins["worker/AMQP_URL"] == (
        "amqps://session_store_worker@mq.example:5671/session-store?cafile=/etc/ssl/certs/ca-certificates.crt"
    )
    assert logins["prepare/DATABASE_URL"].startswith("postgresql://session_store_migrator@")
    assert logins["nightly/JANITOR_DATABASE_URL"].startswith("postgresql://session_store_janitor@")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o400}
    assert make_logins([str(tmp_path), "--show", "postgres"]) == 0
    assert "session_store_worker " in capsys.readouterr().out
    make_logins(words)  # again, as after a new password of another login
    assert (tmp_path / "worker" / "DATABASE_URL").read_text() == urls["worker/DATABASE_URL"]


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return the installed command below a directory, as a function that returns the variables it sets."""
    (tmp_path / "etc/credentials").mkdir(parents=True)
    (tmp_path / "etc/environment").write_text(ENVIRONMENT)
    wants = tmp_path / "wants"
    wants.mkdir()
    for number in (1, 3):
        (wants / f"session-store@{number}.service").symlink_to("/nowhere")
    (tmp_path / "show").write_text(SHOW)
    (tmp_path / "show").chmod(0o755)
    places = {
        "settings=/etc/session-store\n": f"settings={tmp_path}/etc\n",
        "/etc/systemd/system/multi-user.target.wants": str(wants),
        "/etc/session-store-logins": str(tmp_path / "logins"),
        "/opt/session-store/venv/bin/session-store": str(tmp_path / "show"),
    }
    script = reduce(lambda text, place: text.replace(*place), places.items(), COMMAND.read_text())

    def run(*words: str, **variables: str) -> dict[str, str]:
        done = subprocess.run(
            ["sh", "-c", script, "session-store", *words],
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    return run


def test_the_command_has_the_units_settings_and_addresses(
    installed: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    assert installed("doctor") == {
        "SESSION_STORE_PREFETCH": "500",
        "SESSION_STORE_PREFIX": "eu.",
        "SESSION_STORE_REPLICAS": " http://127.0.0.1:9461 http://127.0.0.1:9463",
        "SESSION_STORE_SECRETS_DIR": str(tmp_path / "etc/credentials"),
    }


def test_a_variable_that_is_set_wins_and_questions_are_asked_as_an_engine(
    installed: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    given = installed("migrate", SESSION_STORE_SECRETS_DIR="/mine", SESSION_STORE_PREFIX="us.")
    assert (given["SESSION_STORE_SECRETS_DIR"], given["SESSION_STORE_PREFIX"]) == ("/mine", "us.")
    assert installed("health")["SESSION_STORE_SECRETS_DIR"] == str(tmp_path / "etc/credentials")
    (tmp_path / "logins/engine").mkdir(parents=True)
    assert installed("health")["SESSION_STORE_SECRETS_DIR"] == str(tmp_path / "logins/engine")


def test_who_may_not_read_the_logins_is_given_nothing(
    installed: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "etc/credentials").rmdir()
    assert installed("roles") == {}
