"""The nightly jobs of Kubernetes and systemd."""

import os
from pathlib import Path
from typing import Final

import pytest
import yaml
from typer.testing import CliRunner

from deploy.local.instance import PROJECT
from tests.deploy.test_kubernetes import PLACE, VERSIONS, Resource, assert_fits, kustomized_at
from tests.deploy.test_pod_security import assert_restricted
from worker.cli import app

UNITS: Final = PROJECT / "deploy" / "systemd"


@pytest.fixture(params=["retention", "partitions"])
def resources(tmp_path: Path, request: pytest.FixtureRequest) -> list[Resource]:
    """Return the resources of the base with the component, by an overlay."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    base, component = (
        os.path.relpath(PLACE / name, overlay.resolve()) for name in ("base", f"components/{request.param}")
    )
    told = {"namespace": "session-store", "resources": [base], "components": [component]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(told))
    return kustomized_at(overlay)


def cron_job_of(resources: list[Resource]) -> Resource:
    (job,) = [resource for resource in resources if resource["kind"] == "CronJob"]
    return job


@pytest.mark.parametrize("version", VERSIONS)
def test_the_cron_job_fits_its_schema(resources: list[Resource], tmp_path: Path, version: str) -> None:
    assert_fits(resources, tmp_path, version)


def test_its_pod_meets_the_restricted_level_and_reaches_what_workers_reach(
    resources: list[Resource],
) -> None:
    template = cron_job_of(resources)["spec"]["jobTemplate"]["spec"]["template"]
    assert_restricted([template["spec"]])
    (policy,) = [each["spec"] for each in resources if each["kind"] == "NetworkPolicy"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (service,) = [each["spec"] for each in resources if each["kind"] == "Service"]
    assert not service["selector"].items() <= template["metadata"]["labels"].items()


def test_its_words_are_a_command_that_there_is(resources: list[Resource]) -> None:
    (container,) = cron_job_of(resources)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    asked = CliRunner().invoke(app, [*container["args"], "--help"])
    assert (asked.exit_code, container["image"].partition(":")[0]) == (0, "session-store")


@pytest.mark.parametrize("name", ["retain", "partition"])
def test_what_is_done_at_night_stands_behind_the_walls_of_a_worker(name: str) -> None:
    """Compare the restrictions of the units: one unit cannot include another, so each repeats them."""
    worker, nightly = (
        (UNITS / unit).read_text(encoding="utf-8").partition("\nDynamicUser=")[2].partition("\n\n[")[0]
        for unit in ("session-store@.service", f"session-store-{name}.service")
    )
    assert worker.strip() == nightly.strip() != ""
