"""The manifests, as kustomize makes them; no cluster is needed.

The schemas of custom resources belong to their operators. `FIELDS` lists the fields that we use; each was
looked up there.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.kubernetes.generate import main
from deploy.local.instance import PROJECT
from worker.settings.config import Settings

PLACE: Final = PROJECT / "deploy" / "kubernetes"
FIELDS: Final = Path(__file__).with_name("custom_resource_fields.txt")
VERSIONS: Final = ("1.28", "1.37")

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def base() -> list[Resource]:
    return kustomized("base")


@pytest.fixture(scope="module")
def everything() -> list[Resource]:
    return kustomized("overlays/operators")


def kustomized(name: str) -> list[Resource]:
    return kustomized_at(PLACE / name)


def kustomized_at(folder: Path) -> list[Resource]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is missing, which has kustomize built in")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def kustomized_with(folder: Path, *components: str) -> list[Resource]:
    """Return the resources of the base with some components, by an overlay in the folder."""
    paths = {name: os.path.relpath(PLACE / name, folder.resolve()) for name in ("base", *components)}
    told = {
        "namespace": "session-store",
        "resources": [paths.pop("base")],
        "components": list(paths.values()),
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(told))
    return kustomized_at(folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_own_resources_fit_their_schemas(
    everything: list[Resource], tmp_path: Path, version: str
) -> None:
    assert_fits(everything, tmp_path, version)


def assert_fits(everything: list[Resource], tmp_path: Path, version: str) -> None:
    """Assert that Kubernetes' own resources fit their schemas."""
    page = tmp_path / "resources.yaml"
    page.write_text(yaml.safe_dump_all([resource for resource in everything if not is_custom(resource)]))
    program = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run(
        [program, "--strict", "-k", version, page], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_custom_resources_use_fields_that_were_looked_up(everything: list[Resource]) -> None:
    used = {f"{r['kind']}.{path}" for r in everything if is_custom(r) for path in paths(r["spec"])}
    assert used == set(FIELDS.read_text(encoding="utf-8").split())


def test_the_operator_is_told_of_the_topology_as_its_source_says() -> None:
    assert main(["--check"]) == 0, "run: python -m deploy.kubernetes.generate"


def test_every_container_is_locked_down_and_bounded(everything: list[Resource]) -> None:
    pods = [r["spec"]["template"]["spec"] for r in everything if r["kind"] in ("Deployment", "Job")]
    assert [pod["securityContext"]["runAsNonRoot"] for pod in pods] == [True, True]
    containers = [each for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]
    assert len(containers) == 5
    for container in containers:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["image"].startswith("session-store:")


def test_every_setting_of_the_manifests_is_one_that_the_worker_reads(base: list[Resource]) -> None:
    pods = [r["spec"]["template"]["spec"] for r in base if r["kind"] in ("Deployment", "Job")]
    containers = [each for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]
    given = {variable["name"] for container in containers for variable in container.get("env", [])}
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert given - {"SESSION_STORE_SECRETS_DIR"} <= read


def test_selectors_find_the_workers_and_leave_other_pods_alone(base: list[Resource]) -> None:
    by_kind = {resource["kind"]: resource for resource in base}
    worker = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    job = by_kind["Job"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        by_kind["Service"]["spec"]["selector"],
        by_kind["Deployment"]["spec"]["selector"]["matchLabels"],
        by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= worker.items()
        assert not selector.items() <= job.items()


def test_workers_log_in_as_workers_and_the_job_as_whoever_each_step_needs(
    base: list[Resource], everything: list[Resource]
) -> None:
    for resources in (base, everything):
        assert logins(resources) == {
            "session-store": {"urls"},
            "session-store-prepare": {"urls"},
            "session-store-roles": {"roles"},
            "session-store-certificates": {"certificates"},
        }
        [job] = [r["spec"]["template"]["spec"] for r in resources if r["kind"] == "Job"]
        steps = [*job["initContainers"], *job["containers"]]
        assert [(step["args"][0], step["volumeMounts"][0]["name"]) for step in steps] == [
            ("roles", "roles"),
            ("migrate", "urls"),
            ("roles", "roles"),
            ("topology", "urls"),
        ]


def test_servers_that_are_prepared_by_hand_get_no_job(tmp_path: Path) -> None:
    resources = kustomized_with(tmp_path, "components/prepared")
    assert "Job" not in {resource["kind"] for resource in resources}
    assert "session-store-roles" not in logins(resources)


def logins(resources: list[Resource]) -> dict[str, set[str]]:
    """Return the volumes that show each secret, by the secret's name."""
    found: dict[str, set[str]] = {}
    for pod in [r["spec"]["template"]["spec"] for r in resources if r["kind"] in ("Deployment", "Job")]:
        for volume in pod["volumes"]:
            for source in volume["projected"]["sources"]:
                found.setdefault(source["secret"]["name"], set()).add(volume["name"])
    return found


def is_custom(resource: Resource) -> bool:
    group = resource["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def paths(value: object, at: str = "spec") -> Iterator[str]:
    """Yield the path of every leaf; an element of a list has the path of the list."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from paths(inner, f"{at}.{name}")
        case list():
            for inner in value:
                yield from paths(inner, at)
        case _:
            yield at
