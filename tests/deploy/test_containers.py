import re
import subprocess
import sys
import tomllib
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
    assert len(mounted) == 9
    assert all((STACK.parent / path).exists() for path in mounted)


def test_the_stack_is_whole_without_a_variable_or_another_file() -> None:
    text = STACK.read_text(encoding="utf-8")
    assert [word for word in re.findall(r"\$\{([^}]*)\}", text) if ":-" not in word] == []
    services = stack()["services"]
    assert not any("extends" in service for service in services.values())
    assert {name for service in services.values() for name in service.get("depends_on", {})} < set(services)


def test_a_new_image_of_the_program_leaves_the_servers_alone() -> None:
    services = stack()["services"]
    program = services["worker"]["image"]
    servers = ("postgres", "rabbitmq", "prometheus", "grafana")
    waited_for = {name for server in servers for name in services[server].get("depends_on", {})}
    assert waited_for == {"logins"}
    assert services["logins"]["image"] != program
    assert "build" not in services["logins"]


def test_the_ports_on_this_host_are_fixed_and_have_variables() -> None:
    published = [port for service in stack()["services"].values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-(\d+)\}:\1", port) for port in published)


def test_every_image_may_be_replaced_by_one_of_your_own() -> None:
    images = [service["image"] for service in stack()["services"].values()]
    assert all(re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[a-z0-9/:.-]+\}", image) for image in images)


def test_the_image_needs_no_front_end_and_has_no_pip_and_no_setuid_program() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert "# syntax" not in dockerfile
    final = dockerfile.rpartition("FROM")[2]
    assert "-perm /6000 -exec chmod a-s {} +" in final
    assert "python -m venv --without-pip" in dockerfile
    assert re.search(r"rm -rf .*pip", final)
    assert stack()["services"]["worker"]["init"] is True


def test_the_image_is_labelled_and_its_health_check_follows_the_port() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"ARG VERSION={project['version']}\n" in dockerfile
    assert f'licenses="{project["license"]}"' in dockerfile
    assert {"version", "source", "licenses"} <= set(re.findall(r"opencontainers\.image\.(\w+)=", dockerfile))
    check = dockerfile.partition("HEALTHCHECK")[2].partition("ENTRYPOINT")[0]
    assert "os.environ['SESSION_STORE_HTTP_PORT']" in check
    assert "9464" not in check


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
