"""`doctor`, as a person and a script call it."""

import asyncio
import json

from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables

SECRET = "hidden-password"
SIGNING = {
    "SESSION_STORE_SIGNATURES": "enforce",
    "SESSION_STORE_SIGNING_KEYS": f"k1:{'0123456789abcdef' * 2}",
}


async def test_a_healthy_installation_is_all_fine(
    installation: Variables, start_replica: StartReplica
) -> None:
    installation.update(SIGNING)
    await start_replica()
    printed = await asyncio.to_thread(run_command, "doctor", variables=installation)
    assert (printed.returncode, printed.stderr) == (0, "")
    *lines, last = printed.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "skipped"}
    assert last.endswith("0 warning, 0 error, 1 skipped")
    document = await asyncio.to_thread(run_command, "doctor", "--json", variables=installation)
    assert document.returncode == 0
    findings = json.loads(document.stdout)
    assert [finding["check"] for finding in findings] == [line.split()[1] for line in lines]
    assert {finding["fix"] for finding in findings} == {None}


def test_an_error_is_printed_with_its_fix(servers: Variables) -> None:
    done = run_command("doctor", variables=servers)
    assert done.returncode == 1
    error = next(line for line in done.stdout.splitlines() if line.startswith("error"))
    assert error.split()[1] == "broker.topology"
    assert "fix: session-store topology" in done.stdout
    assert "skipped  broker.consumers       needs broker.topology" in done.stdout


def test_wrong_settings_are_a_wrong_configuration(servers: Variables) -> None:
    bad = {**servers, "DATABASE_URL": f"mysql://u:{SECRET}@host/x"}
    done = run_command("doctor", "--json", variables=bad)
    assert done.returncode == 78
    first, *rest = json.loads(done.stdout)
    assert (first["check"], first["state"]) == ("settings.values", "error")
    assert {finding["state"] for finding in rest} == {"skipped"}
    assert SECRET not in done.stdout + done.stderr
    absent = {"DATABASE_URL": servers["DATABASE_URL"], "SESSION_STORE_PREFIXX": "x"}
    done = run_command("doctor", "--json", variables=absent)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 78
    assert found["settings.amqp_url"]["message"] == "AMQP_URL is not set"
    assert "SESSION_STORE_PREFIX is meant" in found["settings.variables"]["fix"]
    assert found["database.schema"]["state"] == "ok"
    assert found["workers.connections"]["state"] == "ok"
    assert run_command("doctor", "--timeout", "never", variables=servers).returncode == 2
