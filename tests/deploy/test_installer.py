"""What `deploy/systemd/install.sh` leaves to a person: every login is named, and no step has more than it needs."""

import re
import subprocess
from typing import Final

import pytest

from deploy.local.instance import PROJECT

UNITS: Final = PROJECT / "deploy" / "systemd"
CREDENTIAL: Final = re.compile(r"^LoadCredential=\w+:/etc/session-store/credentials/(\w+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def said() -> str:
    """Return what the installer prints, having done nothing."""
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


def test_it_leads_to_the_workers_own_login_at_both_servers(said: str) -> None:
    assert "DATABASE_URL  postgresql://session_store_worker:" in said
    assert re.search(r"AMQP_URL      amqps://session_store_worker:\S+/session-store$", said, re.MULTILINE)
    steps = [line for line in said.splitlines() if "venv/bin" in line and "install" not in line]
    asked = [re.sub(r"^.*/venv/bin/(python -m )?", "", line).split()[:2] for line in steps]
    assert [" ".join(words) for words in asked] == [
        "deploy.logins /etc/session-store/passwords",
        "session-store roles",
        "session-store migrate",
        "session-store roles",
        "deploy.rabbitmq.users /etc/session-store/passwords/rabbitmq",
        "session-store doctor",
    ]
