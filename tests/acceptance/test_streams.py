"""Full and closed streams, words that are not UTF-8, and `-`: a clear message and the right exit status."""

import os
import subprocess
from typing import Final

import pytest

from tests.support.patience import LONGEST_WAIT
from tests.support.programs.replica import PROGRAM

NO_SPACE: Final = "session-store: cannot write the results: No space left on device"
SERVERS: Final = {
    "DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/d",
    "AMQP_URL": "amqp://u:secret@127.0.0.1:1/",
}


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return the finished program in a shell, which may close or redirect its streams."""
    return subprocess.run(
        ["sh", "-c", f"exec {PROGRAM} {command}"],
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **SERVERS, **variables},
        cwd="/",
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=LONGEST_WAIT,
        check=False,
    )


@pytest.mark.parametrize(
    "command", ["version", "config", "config --json", "--help", "doctor", "doctor --json"]
)
def test_results_that_cannot_be_written_are_a_failure(command: str) -> None:
    done = shell(f"{command} >/dev/full")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, NO_SPACE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "status"),
    [("migrate", 75), ("migrate --database-url mysql://h", 78), ("migrate --nonsense", 2)],
)
def test_a_message_that_cannot_be_written_changes_no_status(command: str, status: int) -> None:
    assert shell(f"{command} 2>/dev/full").returncode == status


def test_a_closed_output_gets_nothing_that_is_not_meant_for_it() -> None:
    assert (done := shell("config --json 2>&-", SESSION_STORE_XYZZY="1")).returncode == 0
    assert done.stdout.startswith("{")
    assert "XYZZY" not in done.stdout
    assert shell("version >&- 2>&- <&-").returncode == 0


def test_a_reader_that_went_is_no_failure_to_tell() -> None:
    done = shell("config --json | true")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("erase --player - --yes <&-", 2, "standard input cannot be read"),
        ("dead discard <&-", 2, "add --yes"),
        ("doctor --policies - <&-", 1, ""),
    ],
)
def test_a_closed_input_is_told(command: str, status: int, said: str) -> None:
    done = shell(command)
    assert done.returncode == status
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("sessions query --player $(printf '\\377')", 2, "player_id must be 1 to 255 characters"),
        ("sessions get $(printf '\\377')", 2, "session_id must be 1 to 255 characters"),
        ("topology --prefix $(printf '\\377')", 78, "SESSION_STORE_PREFIX"),
        ("migrate --database-url $(printf 'postgresql://u:\\377@h/d')", 78, "DATABASE_URL cannot be read"),
        ("import --source /$(printf '\\377')", 2, "No such file"),
        ("$(printf '\\377')", 2, "No such command"),
    ],
)
def test_a_word_that_is_not_utf8_is_refused_where_it_must_be_text(words: str, status: int, said: str) -> None:
    done = shell(words)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u@127.0.0.1:1/d", "takes a value from PGPASSWORD, which is not UTF-8 text"),
        ("postgresql://u:${PGPASSWORD}@127.0.0.1:1/d", "names ${PGPASSWORD}, which is not UTF-8 text"),
    ],
)
def test_a_variable_that_is_not_utf8_is_named(url: str, said: str) -> None:
    done = shell("migrate", DATABASE_URL=url, PGPASSWORD=os.fsdecode(b"secret\xff"))
    assert done.returncode == 78
    assert said in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "export --to -",
        "import --source x --report -",
        "dead discard --save -",
        "retain --tombstone-days 1 --archive -",
    ],
)
def test_a_dash_is_no_place_to_write(command: str) -> None:
    done = shell(command)
    assert done.returncode == 2
    assert "results are not written to standard output: name a file" in " ".join(
        done.stderr.replace("│", " ").split()
    )
    assert not os.path.exists("/-")
