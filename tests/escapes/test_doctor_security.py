"""`session-store doctor --security`: its findings for installations with and without restricted logins."""

import asyncio
import json
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import token_hex

import asyncpg
import pytest

from contracts.access import EVENTS_VHOST, WORKER
from deploy.local.rabbitmq import RabbitServer
from tests.escapes.walls import Walls
from tests.support.programs.command import run_command
from tests.support.programs.patient import Findings, examine, follow
from tests.support.programs.replica import PROGRAM
from worker.doctor.finding import Finding, State

CHECKS = (
    "secrets",
    "exposure",
    "role",
    "rights",
    "limits",
    "guards",
    "database_tls",
    "user",
    "permissions",
    "broker_tls",
)


@pytest.fixture
def guest_gone(rabbit_server: RabbitServer) -> Iterator[None]:
    """Change guest's password to an unknown one, as if the user had been deleted."""
    rabbit_server.ctl("change_password", "guest", token_hex(12))
    yield
    rabbit_server.ctl("change_password", "guest", "guest")


@pytest.fixture
async def superuser(walls: Walls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(walls.postgres.url_of(walls.database))
    yield connection
    await connection.close()


async def look(walls: Walls) -> dict[str, Finding]:
    """Return the findings on security with the worker's logins."""
    found = await examine(
        {"DATABASE_URL": walls.database_url(), "AMQP_URL": walls.amqp_url(WORKER)}, security=True
    )
    return security_of(found)


def security_of(found: Findings) -> dict[str, Finding]:
    return {
        name.removeprefix("security."): each for name, each in found.items() if name.startswith("security.")
    }


@pytest.mark.usefixtures("guest_gone")
def test_an_installation_as_documented_has_nothing_to_mend_but_tls(walls: Walls, tmp_path: Path) -> None:
    for name, url in {"DATABASE_URL": walls.database_url(), "AMQP_URL": walls.amqp_url(WORKER)}.items():
        (tmp_path / name).write_text(url, encoding="utf-8")
        (tmp_path / name).chmod(0o400)
    tmp_path.chmod(0o500)
    before = asyncio.run(walls.count_all(EVENTS_VHOST))
    done = run_command(
        "doctor", "--security", "--json", variables={"SESSION_STORE_SECRETS_DIR": str(tmp_path)}
    )
    found = {each["check"].removeprefix("security."): each for each in json.loads(done.stdout)}
    assert {name: found[name]["state"] for name in CHECKS} == {
        **dict.fromkeys(CHECKS, "ok"),
        "broker_tls": "warning",  # the test's broker is on this host
    }
    assert found["settings.signatures"]["state"] == "warning"  # no signatures are set up yet
    assert found["broker.login"]["state"] == found["database.rights"]["state"] == "ok"
    assert not [password for password in walls.passwords.values() if password in done.stdout + done.stderr]
    assert asyncio.run(walls.count_all(EVENTS_VHOST)) == before


async def test_the_logins_of_a_first_try_are_told_from_a_workers(walls: Walls) -> None:
    urls = {"DATABASE_URL": walls.postgres.url_of(walls.database), "AMQP_URL": walls.rabbit.url}
    found = security_of(await examine(urls, security=True))
    assert {name: found[name].state.value for name in CHECKS} == {
        **dict.fromkeys(("secrets", "role", "limits", "user"), "error"),
        **dict.fromkeys(("exposure", "guards", "database_tls"), "ok"),
        **dict.fromkeys(
            ("rights", "permissions"), "skipped"
        ),  # skipped after the role's error, and without a topology
        "broker_tls": "warning",
    }
    assert "flag" in found["secrets"].message
    assert "guest" in found["user"].message


async def test_a_user_that_may_more_is_confined_by_the_command(walls: Walls) -> None:
    walls.rabbit.ctl("set_permissions", "--vhost", EVENTS_VHOST, WORKER, ".*", ".*", ".*")
    found = (await look(walls))["permissions"]
    assert (found.state, found.message) == (
        State.ERROR,
        "the user may declare a queue, declare a queue for answers, read answers, declare an exchange, "
        "publish an event",
    )
    walls.rabbit.ctl(*shlex.split(found.fix)[1:])
    assert (await look(walls))["permissions"].state is State.OK


async def test_guest_and_a_way_into_another_virtual_host_are_found(
    walls: Walls, rabbit_server: RabbitServer
) -> None:
    assert "guest may log in" in (await look(walls))["user"].message
    rabbit_server.ctl("change_password", "guest", token_hex(12))
    rabbit_server.ctl("set_permissions", "--vhost", "/", WORKER, "^$", "^$", "^$")
    try:
        found = (await look(walls))["user"]
        assert (found.state, "another virtual host" in found.message) == (State.ERROR, True)
        rabbit_server.ctl(*shlex.split(found.fix)[1:])
        assert (await look(walls))["user"].state is State.OK
    finally:
        rabbit_server.ctl("change_password", "guest", "guest")


async def test_a_right_too_many_is_taken_away_by_the_command(
    walls: Walls, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(
        f"GRANT DELETE ON sessions TO {WORKER}; GRANT EXECUTE ON FUNCTION delete_tombstones TO {WORKER}"
    )
    found = (await look(walls))["rights"]
    assert (found.state, found.message) == (
        State.ERROR,
        "more than a worker needs: DELETE on sessions, EXECUTE on delete_tombstones",
    )
    await follow(found.fix, {"DATABASE_URL": walls.postgres.url_of(walls.database)})
    assert (await look(walls))["rights"].state is State.OK


@pytest.mark.parametrize(
    ("harm", "undo", "check", "message"),
    [
        (
            "ALTER TABLE session_ledger DISABLE TRIGGER revisions_only_rise",
            "ALTER TABLE session_ledger ENABLE TRIGGER revisions_only_rise",
            "guards",
            "switched off on session_ledger",
        ),
        (
            "ALTER TABLE sessions RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO sessions",
            "guards",
            "no trigger revisions_only_rise on sessions",
        ),
        (
            "ALTER FUNCTION apply_session_events SECURITY INVOKER",
            "ALTER FUNCTION apply_session_events SECURITY DEFINER",
            "guards",
            "apply_session_events runs with its caller's rights",
        ),
        (
            "ALTER FUNCTION mark_erasure RESET search_path",
            "ALTER FUNCTION mark_erasure SET search_path = public, pg_temp",
            "guards",
            "mark_erasure looks for tables where its caller does",
        ),
        (
            "ALTER ROLE session_store_worker RESET lock_timeout",
            "ALTER ROLE session_store_worker SET lock_timeout = '5s'",
            "limits",
            "lock_timeout",
        ),
        (
            "GRANT pg_monitor TO session_store_worker",
            "REVOKE pg_monitor FROM session_store_worker",
            "role",
            "member of pg_monitor",
        ),
        (
            "ALTER ROLE session_store_worker CREATEDB",
            "ALTER ROLE session_store_worker NOCREATEDB",
            "role",
            "superuser, or may make",
        ),
    ],
)
async def test_a_wall_that_is_down_is_found(
    walls: Walls, superuser: asyncpg.Connection, harm: str, undo: str, check: str, message: str
) -> None:
    await superuser.execute(harm)
    try:
        found = (await look(walls))[check]
        assert message in found.message
        assert found.fix
    finally:
        await superuser.execute(undo)
    assert (await look(walls))[check].state is State.OK


@pytest.mark.parametrize(
    ("mode", "state"), [(0o600, "ok"), (0o640, "ok"), (0o644, "error"), (0o620, "error")]
)
def test_a_secret_that_others_may_read_is_found(tmp_path: Path, mode: int, state: str) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "AMQP_URL").write_text("amqp://u:p@127.0.0.1:1/", encoding="utf-8")
    (tmp_path / "AMQP_URL").chmod(mode)
    done = run_command(
        "doctor", "--security", "--json", variables={"SESSION_STORE_SECRETS_DIR": str(tmp_path)}
    )
    found = {each["check"]: each["state"] for each in json.loads(done.stdout)}
    assert found["security.secrets"] == state


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_directory_that_is_mounted_read_only_may_have_any_mode(tmp_path: Path) -> None:
    """Mount a secret as Kubernetes does: mode 1777, on a read-only file system."""
    (tmp_path / "AMQP_URL").write_text("amqp://u:p@127.0.0.1:1/", encoding="utf-8")
    (tmp_path / "AMQP_URL").chmod(0o440)
    tmp_path.chmod(0o1777)
    mounted = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}"
    asked = f"SESSION_STORE_SECRETS_DIR={tmp_path} {PROGRAM} doctor --security --json"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mounted} && {asked}"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.stdout, done.stderr
    found = {each["check"]: each["state"] for each in json.loads(done.stdout)}
    assert found["security.secrets"] == "ok"


@pytest.mark.parametrize(
    ("variable", "value", "state"),
    [
        ("SESSION_STORE_ALLOW_PLAIN_TEXT", "true", "warning"),
        ("SESSION_STORE_HTTP_HOST", "0.0.0.0", "warning"),  # noqa: S104 - what is warned of
        ("SESSION_STORE_FAILPOINT", "mid-batch", "error"),
    ],
)
def test_a_setting_that_opens_something_is_found(variable: str, value: str, state: str) -> None:
    urls = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x", "AMQP_URL": "amqp://u:p@127.0.0.1:1/"}
    done = run_command("doctor", "--security", "--json", variables=urls | {variable: value})
    found = {each["check"]: each["state"] for each in json.loads(done.stdout)}
    assert (found["security.exposure"], found["security.secrets"]) == (state, "warning")
