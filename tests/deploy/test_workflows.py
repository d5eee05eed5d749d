"""The public forge's workflows for the trials: each runs one target of the Makefile, as a person would."""

import re
import subprocess
from typing import Any, Final

import pytest
import yaml

from deploy.local.instance import PROJECT
from tests.versions.matrix import COMBINATIONS

PLACE: Final = PROJECT / ".github" / "workflows"
JOBS: Final = {
    "kubernetes": {
        "base": ["kind create cluster --config .github/kind.yaml --wait 5m", "make test-kubernetes"],
    },
    "versions": {
        "versions": [
            'git config --global --add safe.directory "$PWD"',
            """make test-versions OPTIONS='"${{ matrix.servers }}"'""",
        ],
    },
}


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow; YAML reads its key `on` as true."""
    loaded: dict[str, Any] = yaml.safe_load((PLACE / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def commands(job: dict[str, Any]) -> list[str]:
    """Return the commands of a job's steps."""
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", JOBS)
def test_a_workflow_runs_the_target_with_little_rights_and_for_a_limited_time(name: str) -> None:
    found = workflow(name)
    assert {job: commands(each) for job, each in found["jobs"].items()} == JOBS[name]
    assert found["permissions"] == {"contents": "read"}
    assert all(0 < each["timeout-minutes"] <= 120 for each in found["jobs"].values())


def test_each_target_is_one_of_the_makefile() -> None:
    targets = {
        found
        for job in JOBS.values()
        for lines in job.values()
        for found in re.findall(r"make ([a-z-]+)", str(lines))
    }
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert targets == {"test-kubernetes", "test-versions"}
    assert all(f"\n  {each}" in done.stdout for each in targets)


def test_every_set_of_servers_is_tried_but_the_one_that_each_change_is_tried_on() -> None:
    matrix = workflow("versions")["jobs"]["versions"]["strategy"]["matrix"]["servers"]
    assert ["this machine", *matrix] == [each.name for each in COMBINATIONS]


def test_every_path_that_starts_the_trial_on_kubernetes_is_there() -> None:
    triggers = workflow("kubernetes")[True]  # type: ignore[index]  # the key is `on`
    for pattern in triggers["push"]["paths"]:
        assert list(PROJECT.glob(pattern)), pattern
    assert triggers["push"]["paths"] == triggers["pull_request"]["paths"]


def test_the_cluster_has_more_than_one_node_for_workers() -> None:
    nodes = yaml.safe_load((PROJECT / ".github" / "kind.yaml").read_text(encoding="utf-8"))["nodes"]
    assert [node["role"] for node in nodes].count("worker") > 1
