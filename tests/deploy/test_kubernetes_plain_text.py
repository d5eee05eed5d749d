"""No command of a pod sends its login to another host in plain text, whatever its URL."""

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_kubernetes import kustomized_with
from tests.support.programs.command import run_command

AWAY = {"DATABASE_URL": "postgresql://u:secret@db.invalid/d", "AMQP_URL": "amqp://u:secret@mq.invalid/"}
COMMANDS = ("migrate", "partition", "retain", "roles", "run", "topology")


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the arguments of every container of the manifests, by the command."""
    resources = kustomized_with(
        tmp_path_factory.mktemp("overlay"), "components/retention", "components/partitions"
    )
    pods = [pod_of(each["spec"]) for each in resources if each["kind"] in ("Deployment", "Job", "CronJob")]
    containers = [each for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]
    return {each["args"][0]: each["args"] for each in containers}


def pod_of(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of the pods that a resource makes."""
    template = spec.get("jobTemplate", {}).get("spec", spec)["template"]
    found: dict[str, Any] = template["spec"]
    return found


def test_every_command_is_tried(arguments: dict[str, list[str]]) -> None:
    assert set(arguments) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_plain_text_to_another_host(
    command: str, arguments: dict[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "session_store_worker").write_text("secret")
    words = [str(tmp_path) if word.startswith("/run/secrets/") else word for word in arguments[command]]
    done = run_command(*words, variables=AWAY)
    assert done.returncode == 78
    assert "in plain text" in done.stderr
    assert "secret" not in done.stderr
