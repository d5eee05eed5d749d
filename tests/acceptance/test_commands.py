"""The commands beside `run`, as their users call them."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.__main__ import INSTANCE
from deploy.local.instance import PROJECT, servers_of
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables

VERDICT = "EQUAL 149 sessions equal, 11 deleted, 10 dead letters with the right codes"


async def test_three_migrations_at_once_do_the_work_once(empty_database_url: str) -> None:
    variables = {"DATABASE_URL": empty_database_url}
    done = await asyncio.gather(
        *(asyncio.to_thread(run_command, "migrate", "--json", variables=variables) for _ in range(3))
    )
    assert [process.returncode for process in done] == [0, 0, 0]
    applied = [json.loads(process.stdout)["applied"] for process in done]
    assert sorted(map(len, applied))[:2] == [0, 0]


def test_migrate_says_what_is_pending_and_changes_nothing(empty_database_url: str) -> None:
    variables = {"DATABASE_URL": empty_database_url}
    for flag in ("--status", "--dry-run"):
        found = json.loads(run_command("migrate", flag, "--json", variables=variables).stdout)
        assert found["applied"] == []
        assert found["pending"][0] == 1
    assert run_command("migrate", variables=variables).stdout.startswith("applied 0001")
    assert run_command("migrate", variables=variables).stdout == "up to date\n"


def test_topology_is_checked_without_being_changed_and_then_declared(servers: Variables) -> None:
    for _ in range(2):
        checked = run_command("topology", "--check", "--json", variables=servers)
        assert checked.returncode == 1
        assert set(json.loads(checked.stdout).values()) == {"missing"}
    assert run_command("topology", variables=servers).returncode == 0
    assert run_command("topology", "--check", variables=servers).returncode == 0


def test_every_command_explains_itself(servers: Variables) -> None:
    for command in ("run", "migrate", "roles", "topology", "doctor", "top", "config", "version"):
        helped = run_command(command, "--help", variables=servers)
        assert helped.returncode == 0
        assert "Usage: session-store" in helped.stdout


def test_a_setting_is_taken_from_the_first_source_that_has_it(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "AMQP_URL").write_text("amqp://u:hidden@from-secrets/\n")
    (secrets / "SESSION_STORE_BATCH_SIZE").write_text("1")
    (secrets / "SESSION_STORE_PREFETCH").write_text("11")
    (tmp_path / ".env").write_text("SESSION_STORE_BATCH_SIZE=2\nSESSION_STORE_PREFETCH=22\n")
    variables = {
        "SESSION_STORE_SECRETS_DIR": str(secrets),
        "SESSION_STORE_BATCH_SIZE": "3",
        "PGHOST": "database.example",
        "PGUSER": "u",
        "PGPASSWORD": "hidden",
    }
    printed = run_command("config", "--json", variables=variables, directory=tmp_path).stdout
    settings = json.loads(printed)
    assert settings["SESSION_STORE_BATCH_SIZE"] == {"value": "3", "origin": "environment"}
    assert settings["SESSION_STORE_PREFETCH"] == {"value": "22", "origin": ".env"}
    assert settings["AMQP_URL"] == {"value": "amqp://u:***@from-secrets/", "origin": str(secrets)}
    assert settings["DATABASE_URL"]["value"] == "postgresql://u:***@database.example:5432/u"
    assert settings["SESSION_STORE_POOL_SIZE"] == {"value": "10", "origin": "default"}
    assert "hidden" not in printed


@pytest.fixture
def demo_servers() -> Iterator[None]:
    """Stop the demo's servers afterwards, unless they ran before."""
    ran = servers_of(INSTANCE).endpoints() is not None
    yield
    if not ran:
        servers_of(INSTANCE).stop()


@pytest.mark.usefixtures("demo_servers")
def test_the_demo_gives_its_verdict_with_the_worker_killed_half_way() -> None:
    done = _run_demo("--kill-worker-halfway")
    assert done.returncode == 0, done.stdout + done.stderr
    assert VERDICT in done.stdout


def _run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / ".venv/bin/python", "-m", "deploy.demo", *arguments],
        cwd=PROJECT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
