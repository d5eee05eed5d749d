"""The lines in systemd's journal: their priorities, and the messages for wrong use."""

import os
import signal
import subprocess

import pytest

from tests.support.programs.replica import PROGRAM


def said_to_the_journal(*words: str) -> tuple[int, str]:
    """Return the exit status and the standard error of a command that logs to the journal."""
    reading, writing = os.pipe()
    found = os.fstat(writing)
    done = subprocess.run(
        [PROGRAM, *words],
        env={"PATH": os.defpath, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
        stdout=subprocess.DEVNULL,
        stderr=writing,
        cwd="/",
        check=False,
    )
    os.close(writing)
    with os.fdopen(reading) as said:
        return done.returncode, said.read()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "--no-such"), "No such option: --no-such; see session-store run --help"),
        (("retain",), "Invalid value: give an age: --completed-days, --abandoned-days or --tombstone-days; "),
        (("top", "--interval", "soon"), "Invalid value for '--interval': "),
    ],
)
def test_wrong_use_is_one_line_with_the_priority_of_an_error(words: tuple[str, ...], line: str) -> None:
    status, said = said_to_the_journal(*words)
    assert status == 2
    assert said.startswith(f"<3>session-store: {line}")
    assert said.count("\n") == 1


def test_a_wrong_setting_and_a_hint_have_their_priorities() -> None:
    status, said = said_to_the_journal("run", "--amqp-url", "amqp://127.0.0.1:1/")
    assert status == 78
    assert said.startswith("<3>session-store: DATABASE_URL is not set")
    status, said = said_to_the_journal("migrate", "--database-url", "postgresql://127.0.0.1:1/x")
    assert status == 75
    assert [line[:3] for line in said.splitlines()] == ["<3>", "<4>"]


def test_elsewhere_no_line_has_a_priority() -> None:
    done = subprocess.run(
        [PROGRAM, "run", "--no-such"],
        env={"PATH": os.defpath, "JOURNAL_STREAM": "1:1"},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.stderr.startswith("session-store: No such option")


def test_a_worker_that_is_aborted_leaves_its_stack_behind_lines_with_priorities() -> None:
    reading, writing = os.pipe()
    found = os.fstat(writing)
    worker = subprocess.Popen(
        [PROGRAM, "run"],
        env={
            "PATH": os.defpath,
            "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}",
            "DATABASE_URL": "postgresql://worker@127.0.0.1:1/x",
            "AMQP_URL": "amqp://127.0.0.1:1/",
            "SESSION_STORE_HTTP_PORT": "0",
        },
        stderr=writing,
        cwd="/",
    )
    os.close(writing)
    with os.fdopen(reading) as said:
        lines = [next(line for line in said if "storage.unavailable" in line)]
        worker.send_signal(signal.SIGABRT)
        lines += said.readlines()
    assert worker.wait() == -signal.SIGABRT
    assert lines[0].startswith("<4>{")
    assert "Fatal Python error: Aborted\n" in lines
    assert any("most recent call first" in line for line in lines)
