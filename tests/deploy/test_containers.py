import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.local.instance import PROJECT

STACK: Final = PROJECT / "deploy" / "compose" / "stack.yaml"


def test_the_dockerfile_breaks_no_rule_of_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_built_from_files_that_its_context_holds() -> None:
    kept = [line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    lines = [line.split() for line in (PROJECT / "Dockerfile").read_text().splitlines()]
    copied = [
        word for line in lines if line[:1] == ["COPY"] and "--from" not in line[1] for word in line[1:-1]
    ]
    assert sorted(copied) == sorted(kept)
    assert all((PROJECT / path).exists() for path in kept)


def test_every_file_that_the_stack_mounts_is_there() -> None:
    mounted = [
        volume.split(":")[0]
        for service in stack()["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert len(mounted) == 7
    assert all((STACK.parent / path).exists() for path in mounted)


def test_the_stack_extends_services_and_waits_for_services_that_are_there() -> None:
    services = stack()["services"]
    first_run = yaml.safe_load((STACK.parent / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert {service["extends"]["service"] for service in services.values() if "extends" in service} <= set(
        first_run
    )
    assert {name for service in services.values() for name in service.get("depends_on", {})} < set(services)


def test_every_volume_that_the_stack_mounts_is_declared_and_mounted() -> None:
    mounted = {
        volume.split(":")[0]
        for service in stack()["services"].values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert mounted == set(stack()["volumes"])


def stack() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(STACK.read_text(encoding="utf-8"))
    return loaded
