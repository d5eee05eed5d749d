"""The commands of docs/install-kubernetes.md for your own servers, run as they are printed.

Three names replace those of examples: both servers, and the overlay that names the image.
"""

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from deploy.local.instance import PROJECT
from tests.kubernetes.cluster import SERVERS, Cluster, Failed
from tests.kubernetes.servers import POSTGRES, RABBITMQ, Servers
from tests.support.programs.page import commands_of

PAGE: Final = "docs/install-kubernetes.md"
INSTALL: Final = "Kubernetes with servers of your own"
UPGRADE: Final = "Upgrade on Kubernetes"
PASSWORD: Final = "Change a password on Kubernetes"
BASE: Final = "deploy/kubernetes/base"
COMPONENTS: Final = ("retention", "partitions")
ON_THE_BROKERS_HOST: Final = """\
#!/bin/sh
case $1 in import_definitions) exec < "$2"; set -- "$1" ;; esac # the pod has no file of this machine
exec kubectl --context {context} exec --stdin --namespace {namespace} statefulset/rabbitmq -- rabbitmqctl "$@"
"""


def write_overlay(directory: Path, image: str) -> None:
    """Write a kustomization of the base and the nightly jobs, with the image, into a new directory."""
    directory.mkdir()
    name, _, tag = image.rpartition(":")
    deploy = os.path.relpath(PROJECT / "deploy" / "kubernetes", directory.resolve())
    told = {
        "namespace": "session-store",
        "resources": [f"{deploy}/base"],
        "components": [f"{deploy}/components/{each}" for each in COMPONENTS],
        "images": [{"name": "session-store", "newName": name, "newTag": tag}],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")


def commands(heading: str, overlay: Path) -> str:
    """Return the commands under a heading, with the names of the trial in place of the examples."""
    text = "\n".join(commands_of(PAGE, heading))
    text = text.replace(f"--kustomize {BASE}\n", f"--kustomize {overlay}\n")
    return text.replace("db.example:", f"{POSTGRES}:").replace("mq.example:", f"{RABBITMQ}:")


@dataclass(frozen=True, slots=True)
class Printed:
    """The commands as a user with the overlay and both servers types them."""

    cluster: Cluster
    servers: Servers
    overlay: Path

    async def run(self, heading: str) -> None:
        """Run the commands under a heading; raises Failed at the first that fails."""
        await asyncio.to_thread(self._run, heading)

    def _run(self, heading: str) -> None:
        text = commands(heading, self.overlay)
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", text],
            env=self._variables(),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"the commands of '{heading}' in {PAGE}:\n{done.stdout[-4000:]}")

    def _variables(self) -> dict[str, str]:
        programs = self.servers.place / "programs"
        programs.mkdir(exist_ok=True)
        script = programs / "rabbitmqctl"
        script.write_text(ON_THE_BROKERS_HOST.format(context=self.cluster.context, namespace=SERVERS))
        script.chmod(0o700)
        first = [str(programs), str(PROJECT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)]
        return {
            **os.environ,
            "PATH": os.pathsep.join(first),
            "PASSWORDS": str(self.servers.passwords),
            "AUTHORITY": str(self.servers.authority),
        }
