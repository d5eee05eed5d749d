"""`deploy/rabbitmq/import.sh` gives definitions to `rabbitmqctl` as a file, from a file or from standard input."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.instance import PROJECT
from deploy.local.rabbitmq import RabbitServer
from tests.unit.test_house import tracked_texts

SCRIPT: Final = PROJECT / "deploy" / "rabbitmq" / "import.sh"
DEFINITIONS: Final = '{"vhosts": [{"name": "imported"}]}\n'
RABBITMQCTL: Final = """#!/bin/sh
echo "$1 $#" > call
stat --format '%a %U' "$2" > mode
cat "$2" > read
echo "$2" > place
exit "$STATUS"
"""


def run(directory: Path, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the script in a directory with a fake `rabbitmqctl`, and definitions on standard input."""
    fake = directory / "rabbitmqctl"
    fake.write_text(RABBITMQCTL)
    fake.chmod(0o755)
    variables = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "STATUS": str(status)}
    return subprocess.run(
        [SCRIPT, *words],
        input=DEFINITIONS,
        env=variables,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [(), ("definitions.json",)])
def test_a_file_that_the_broker_can_read_is_imported_and_removed(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "definitions.json").write_text(DEFINITIONS)
    assert run(tmp_path, *words).returncode == 0
    assert (tmp_path / "call").read_text() == "import_definitions 2\n"
    assert (tmp_path / "read").read_text() == DEFINITIONS
    mode, owner = (tmp_path / "mode").read_text().split()
    assert mode == "600"
    assert owner == ("rabbitmq" if os.geteuid() == 0 else os.environ.get("USER", owner))
    assert not Path((tmp_path / "place").read_text().strip()).exists()


def test_a_failure_is_the_status_of_the_script_and_leaves_no_file(tmp_path: Path) -> None:
    assert run(tmp_path, status=69).returncode == 69
    assert not Path((tmp_path / "place").read_text().strip()).exists()
    missing = run(tmp_path, "missing.json")
    assert (missing.returncode, "missing.json" in missing.stderr) == (1, True)
    assert run(tmp_path, "--help").returncode == 2


def test_the_broker_has_the_definitions_afterwards(rabbit_server: RabbitServer) -> None:
    environment = {**os.environ, **rabbit_server.environment}
    subprocess.run([SCRIPT], input=DEFINITIONS, env=environment, text=True, check=True, capture_output=True)
    assert "imported" in rabbit_server.ctl("list_vhosts").splitlines()
    rabbit_server.ctl("delete_vhost", "imported")


def test_no_page_and_no_advice_has_rabbitmqctl_read_standard_input() -> None:
    reads = re.compile(r"\| (?:sudo )?rabbitmqctl import_definitions|rabbitmqctl import_definitions <")
    assert [
        name for name, text in tracked_texts().items() if reads.search(text) and "tests/" not in name
    ] == []
