"""The cluster of the current kubectl context, with the image in it, or the reason why there is none."""

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from deploy.local.instance import PROJECT

NAMESPACE: Final = "session-store"
SERVERS: Final = "session-store-servers"
IMAGE: Final = "session-store:trial"
LOADERS: Final = {
    "kind-": ("kind", "load", "docker-image", IMAGE, "--name"),
    "k3d-": ("k3d", "image", "import", IMAGE, "--cluster"),
}
"""Commands that load an image into a cluster, by the beginning of its context; the cluster's name follows."""
SHARES_IMAGES: Final = ("docker-desktop", "rancher-desktop", "orbstack")
"""Contexts of clusters that see the images of this machine."""


class CannotTry(Exception):
    """There is no cluster to test on; the message has the reason and the remedy."""


class Failed(Exception):
    """A command on the cluster failed; the message is the command and its error."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by the name of its context."""

    context: str

    def attempt(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; returns its output and its status."""
        return subprocess.run(
            ["kubectl", "--context", self.context, *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )

    async def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Return the output of kubectl; raises Failed. Other tasks continue meanwhile."""
        done = await asyncio.to_thread(self.attempt, *words, stdin=stdin)
        if done.returncode:
            raise Failed(f"kubectl {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    async def read(self, *words: str) -> dict[str, Any]:
        """Return a resource, or a list of them."""
        found: dict[str, Any] = json.loads(await self.kubectl("get", *words, "--output=json"))
        return found


def find_cluster() -> Cluster:
    """Return the cluster of the current context; raises CannotTry if it must not be used. Changes nothing."""
    if shutil.which("kubectl") is None:
        raise CannotTry("kubectl is missing; install it, and make a cluster, such as: kind create cluster")
    asked = subprocess.run(
        ["kubectl", "config", "current-context"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise CannotTry("kubectl has no current context; make a cluster, such as: kind create cluster")
    cluster = Cluster(asked.stdout.strip())
    answer = cluster.attempt("get", "--raw=/readyz", "--request-timeout=20s")
    if answer.returncode:
        lines = answer.stderr.strip().splitlines()
        raise CannotTry(
            f"the cluster of the context {cluster.context} does not answer: {lines[-1] if lines else ''}"
        )
    for name in (NAMESPACE, SERVERS):
        if cluster.attempt("get", "namespace", name).returncode == 0:
            raise CannotTry(
                f"the cluster of the context {cluster.context} has a namespace {name}, which may be in use; "
                f"take another cluster, or delete it: kubectl delete namespace {name}"
            )
    return cluster


def provide_image(cluster: Cluster, pulled: str | None) -> str:
    """Return the given image, or one that is built and loaded into the cluster; raises CannotTry, Failed."""
    if pulled:
        return pulled
    loader = loader_of(cluster.context)
    if shutil.which("docker") is None:
        raise CannotTry(
            "docker is missing to build the image; or name one that the cluster can pull: --image"
        )
    _run("docker", "build", "--tag", IMAGE, str(PROJECT))
    if loader:
        _run(*loader)
    return IMAGE


def loader_of(context: str) -> tuple[str, ...]:
    """Return the command that loads the image into the cluster, empty if it needs none; raises CannotTry."""
    if context in SHARES_IMAGES:
        return ()
    for beginning, words in LOADERS.items():
        if context.startswith(beginning):
            return (*words, context.removeprefix(beginning))
    raise CannotTry(
        f"no way is known to take an image into the cluster of the context {context}; "
        "push one where the cluster can pull it, and name it: --image"
    )


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()[-2000:]}")
