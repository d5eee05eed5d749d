"""The life of an installation under systemd, in the order of docs/install-systemd.md.

Each test continues after the one before it.

`make test-systemd` runs this file. It is no part of `make test`: it needs root, systemd-nspawn and a Debian mirror.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.programs.page import commands_of
from tests.systemd.load import LOGINS, engine_words, under_load
from tests.systemd.machine import Machine, place
from tests.versions.trees import CannotMake, run

PAGE: Final = "docs/install-systemd.md"
REPLICAS: Final = tuple(f"session-store@{number}.service" for number in (1, 2, 3))
UNIT: Final = "/etc/systemd/system/session-store@3.service.d/trial.conf"
STALL: Final = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(600))
"""


def section(heading: str) -> list[str]:
    """Return the blocks of commands of a section of the page."""
    return commands_of(PAGE, heading)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Yield a booted machine, with the packages that the page's first command names."""
    if os.geteuid() != 0:
        pytest.skip("systemd is started by root alone")
    install = section("Install the program")[0].splitlines()[0]
    packages = tuple(install.partition("--yes ")[2].split())
    made = Machine(place())
    try:
        if shutil.which("systemd-nspawn") is None:
            run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "systemd-container"])
        made.make(packages)
        made.start()
    except (CannotMake, OSError) as reason:
        pytest.skip(f"no machine with systemd can be made here: {reason}")
    try:
        yield made
    finally:
        made.stop()
        made.erase()


def test_the_program_is_installed(machine: Machine) -> None:
    [commands] = section("Install the program")
    said = machine.type(commands)
    assert section("Prepare the servers, and start")[0] in said, "the script prints the next steps"
    assert machine.type("session-store --version").strip()


def test_the_printed_steps_lead_to_three_replicas(machine: Machine) -> None:
    for commands in section("Prepare the servers, and start"):
        print(machine.type(commands))
    assert [machine.says("systemctl", "is-active", unit).strip() for unit in REPLICAS] == ["active"] * 3
    shown = machine.type("sudo session-store top --once")
    assert re.findall(r"127\.0\.0\.1:946(\d) .* ready$", shown, re.MULTILINE) == ["1", "2", "3"]
    assert machine.says("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_no_stronger_login_is_left_where_workers_run(machine: Machine) -> None:
    held = machine.says("grep", "-rhoE", "://[a-z_]+", "/etc/session-store")
    assert set(held.split()) == {"://session_store_worker"}
    assert "Permission denied" in machine.fail(f"cat {LOGINS}/worker/AMQP_URL", 1)


def test_the_samples_end_as_they_must(machine: Machine) -> None:
    found = json.loads(machine.says(*engine_words("replay")))
    print(found)
    assert found["wrong"] == []


def test_the_doctor_finds_no_error_with_the_units_settings(machine: Machine) -> None:
    print(machine.type("sudo session-store doctor --security"))


def test_the_memory_limit_holds(machine: Machine) -> None:
    group = machine.says("systemctl", "show", "-p", "ControlGroup", "--value", REPLICAS[0]).strip()
    limits = machine.says(
        "sh",
        "-c",
        f"cat '/sys/fs/cgroup/memory{group}/memory.limit_in_bytes' '/sys/fs/cgroup{group}/memory.max'",
    )
    assert str(2 * 2**30) in limits


def test_restarts_one_after_the_other_redeliver_nothing(machine: Machine) -> None:
    with under_load(machine):
        for _ in range(2):
            machine.type(section("Change a password of the units")[1].splitlines()[-1])


def test_a_killed_replica_comes_back_and_loses_nothing(machine: Machine) -> None:
    with under_load(machine, redeliveries=True):
        before = machine.says("systemctl", "show", "-p", "MainPID", "--value", REPLICAS[0])
        machine.says("systemctl", "kill", "--signal=KILL", REPLICAS[0])
        machine.until("NRestarts=1", "systemctl", "show", "-p", "NRestarts", REPLICAS[0])
        machine.until("active", "systemctl", "is-active", REPLICAS[0])
        assert machine.says("systemctl", "show", "-p", "MainPID", "--value", REPLICAS[0]) != before


def test_a_stalled_loop_is_ended_and_leaves_its_stack(machine: Machine) -> None:
    machine.write("/srv/stall/sitecustomize.py", STALL)
    machine.write(UNIT, "[Service]\nEnvironment=PYTHONPATH=/srv/stall PYTHONDONTWRITEBYTECODE=1\n")
    machine.type("sudo systemctl daemon-reload && sudo systemctl restart session-store@3")
    with under_load(machine, redeliveries=True):
        machine.says("systemctl", "kill", "--signal=USR1", "--kill-whom=main", REPLICAS[2])
        machine.until("Watchdog timeout", "journalctl", "-u", REPLICAS[2], "-o", "cat")
        machine.until("NRestarts=1", "systemctl", "show", "-p", "NRestarts", REPLICAS[2])
    journal = machine.says("journalctl", "-u", REPLICAS[2], "-o", "cat")
    assert "Fatal Python error: Aborted" in journal
    assert '/srv/stall/sitecustomize.py", line 3' in journal
    machine.says("rm", "-r", UNIT.rpartition("/")[0])
    machine.type("sudo systemctl daemon-reload && sudo systemctl restart session-store@3")


def test_a_replica_that_waits_for_a_server_says_so_where_people_look(machine: Machine) -> None:
    machine.type("sudo systemctl stop postgresql@15-main")
    machine.says("systemctl", "restart", "--no-block", REPLICAS[0])
    status = machine.until("database: connection refused", "systemctl", "status", "--no-pager", REPLICAS[0])
    assert "activating" in status
    machine.until("storage.unavailable", "journalctl", "-p", "warning", "-u", REPLICAS[0], "-o", "cat")
    machine.until("status=75", "systemctl", "status", "--no-pager", REPLICAS[0])
    assert "connection refused" in machine.says("journalctl", "-p", "err", "-u", REPLICAS[0], "-o", "cat")
    machine.type("sudo systemctl start postgresql@15-main")
    for unit in REPLICAS:
        machine.until("storing and answering", "systemctl", "status", "--no-pager", unit)


def test_lines_of_the_journal_have_priorities_and_wrong_use_is_one_line(machine: Machine) -> None:
    machine.write("/etc/session-store/retain", "RETAIN=--no-such-option\n")
    assert machine.fail("sudo systemctl start session-store-retain", 1)
    entries = machine.says(
        "journalctl", "-u", "session-store-retain", "-o", "json", "--output-fields=PRIORITY,MESSAGE,_COMM"
    )
    said = [entry for entry in map(json.loads, entries.splitlines()) if entry.get("_COMM") == "session-store"]
    assert [(entry["PRIORITY"], entry["MESSAGE"]) for entry in said] == [
        ("3", "session-store: No such option: --no-such-option; see session-store retain --help")
    ]
    info = machine.says("journalctl", "-u", REPLICAS[0], "-p", "info..info", "-o", "cat")
    assert "broker.connected" in info
    assert "broker.connected" not in machine.says(
        "journalctl", "-u", REPLICAS[0], "-p", "warning", "-o", "cat"
    )


def test_a_password_is_changed_without_a_lost_event(machine: Machine) -> None:
    with under_load(machine):
        for commands in section("Change a password of the units"):
            machine.type(commands)
    for unit in REPLICAS:
        machine.until("storing and answering", "systemctl", "status", "--no-pager", unit)


def test_a_replica_that_kept_the_old_password_gets_the_new_one_by_itself(machine: Machine) -> None:
    tell, give = section("Change a password of the units")
    machine.type(tell)
    machine.type(give.splitlines()[0])  # nobody restarts anything
    machine.says("rabbitmqctl", "close_all_user_connections", "session_store_worker", "over")
    for unit in REPLICAS:
        machine.until("login.refused", "journalctl", "-u", unit, "-o", "cat")
        machine.until("storing and answering", "systemctl", "status", "--no-pager", unit)


def test_the_replicas_come_back_with_the_machine(machine: Machine) -> None:
    machine.stop()
    machine.start()
    for unit in REPLICAS:
        machine.until("storing and answering", "systemctl", "status", "--no-pager", unit)


def test_an_upgrade_redelivers_nothing(machine: Machine) -> None:
    [commands] = section("Upgrade the units")
    with under_load(machine):
        machine.type(commands)


def test_old_sessions_go_every_night_into_the_archive(machine: Machine) -> None:
    [commands] = section("Remove old sessions every night")
    machine.type(commands)
    machine.type("sudo deploy/systemd/install.sh --parquet")
    archive = "/var/lib/session-store/archive"
    machine.write("/etc/session-store/retain", f"RETAIN=--completed-days 90 --archive {archive}\n")
    machine.type("sudo systemctl start session-store-retain")
    assert machine.says("find", "/var/lib/private/session-store/archive", "-name", "*.parquet").strip()
    entries = machine.says("systemctl", "list-timers", "--all", "--no-legend", "session-store-retain.timer")
    assert "session-store-retain.service" in entries
    assert "retention.removed" in machine.says("journalctl", "-u", "session-store-retain", "-o", "cat")
    machine.type("sudo touch /var/lib/systemd/timers/stamp-session-store-retain.timer")


def test_a_unit_that_does_not_stop_keeps_everything_where_it_is(machine: Machine) -> None:
    machine.write(UNIT, "[Unit]\nRefuseManualStop=yes\n")
    machine.type("sudo systemctl daemon-reload")
    said = machine.fail("sudo deploy/systemd/uninstall.sh", 1)
    assert "session-store@3.service does not stop; nothing was removed" in said
    assert machine.says("ls", "/opt/session-store/venv/bin/session-store").strip().endswith("session-store")
    machine.write(UNIT, "[Service]\nNice=1\n")
    machine.type("sudo systemctl daemon-reload && sudo systemctl start session-store@1 session-store@2")


def test_it_is_taken_away_and_does_not_come_back(machine: Machine) -> None:
    [commands] = section("Take it away")
    said = machine.type(commands)
    assert said.splitlines() == ["kept: /etc/session-store", "kept: /var/lib/session-store"]
    for _ in range(2):
        listed = machine.says("systemctl", "list-units", "--all", "--plain", "--no-legend", "session-store*")
        assert all(" not-found inactive " in line for line in listed.splitlines()), listed
        assert machine.says("pgrep", "-f", "/opt/session-store") == ""
        machine.stop()
        machine.start()
    left = machine.says(
        "find", "/etc/systemd", "/opt", "/usr/local/bin", "/var/lib/systemd", "-name", "*session-store*"
    )
    assert left == ""
