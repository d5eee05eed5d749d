"""A forge, git and an editor run the targets of `make`, on the promised versions."""

import json
import re
import tomllib
from typing import Any, Final

import yaml

from deploy.local.instance import PROJECT

FORGE: Final = yaml.safe_load((PROJECT / ".github/workflows/test.yaml").read_text(encoding="utf-8"))
TARGETS: Final = set(
    re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)
MADE_READY: Final = "git config --global --add safe.directory"
"""A checkout in a container belongs to another user, whom git does not trust."""


def steps_of(job: dict[str, Any]) -> list[str]:
    """Return the commands of a forge's job, without those that prepare the checkout."""
    commands = [step["run"] for step in job["steps"] if "run" in step]
    return [command for command in commands if not command.startswith(MADE_READY)]


def test_the_forge_runs_what_continuous_integration_runs() -> None:
    assert {name: steps_of(job) for name, job in FORGE["jobs"].items()} == {
        "test": [".ci/run"],
        "everything": ["make test-all"],
    }
    run = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in run.splitlines() if line.startswith("make ")]
    assert commands[0] == "make test"
    assert [command.split()[:2] for command in commands[1:]] == [["make", "test-versions"]]


def test_the_forge_tries_every_python_that_is_promised() -> None:
    promised = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [
        line.rpartition(" ")[2]
        for line in promised["classifiers"]
        if re.search(r":: Python :: 3\.\d+$", line)
    ]
    assert FORGE["jobs"]["test"]["strategy"]["matrix"]["python"] == versions
    assert promised["requires-python"] == f">={versions[0]}"


def test_git_and_the_editor_call_targets_of_make() -> None:
    (local,) = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    container = json.loads((PROJECT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    commands = [*(hook["entry"] for hook in local["hooks"]), container["postCreateCommand"]]
    assert local["repo"] == "local"
    assert {command.split()[0] for command in commands} == {"make"}
    assert {command.split()[1] for command in commands} <= TARGETS


def test_every_place_where_something_is_put_exists() -> None:
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.]+(?:/[\w.-]+)+)`", page))
    assert "contracts/outcomes.py" in named
    made = {path for path in named if path.startswith(".local/")}
    assert {path for path in named - made if not (PROJECT / path).exists()} == set()
